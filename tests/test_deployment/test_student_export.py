"""What `tools/export.py student` leaves: stock MMSegmentation loads it and gives the same logits."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model

from mapsage_mmseg.commands import cli, export
from mapsage_mmseg.deployment.export.card import with_section
from mapsage_mmseg.deployment.export.stock_config import stock_config
from mapsage_mmseg.deployment.find_student import find_student
from mapsage_mmseg.deployment.student_data import stock_data
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.record import read_record
from mapsage_mmseg.weights_file import file_digest
from tests import tiny
from tests.under_stock import under_stock

safetensors = pytest.importorskip('safetensors', reason='needs the extra [deploy]')


def test_stock_mmsegmentation_gives_the_same_logits_without_this_package(trained, exported, tiles, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 50, 70, 3), np.uint8)  # no multiple of 32
    found = under_stock(exported, images, tiles, tmp_path)
    student, _ = find_student(trained)
    model = student.build()
    model.cfg = Config.fromfile(str(exported / 'config.py'))
    expected = torch.stack([inference_model(model, image).seg_logits.data for image in images])
    assert np.array_equal(found['logits'], expected.numpy())
    assert found['classes'].tolist() == list(student.classes)
    assert found['palette'].tolist() == [list(colour) for colour in student.palette]
    assert 0 <= found['mIoU'] <= 100  # its test tool runs on a folder of tiles, too


def test_the_weights_are_the_students_alone_and_readable_without_an_allow_list(trained, exported):
    student, _ = find_student(trained)
    content = torch.load(exported / 'student.pth', weights_only=True)
    names = content['state_dict'].keys()
    assert names == student.weights.keys() and not [name for name in names if 'teacher' in name or 'connector' in name]
    with safetensors.safe_open(exported / 'student.safetensors', 'pt') as file:
        assert set(file.keys()) == set(names)
        assert all(torch.equal(file.get_tensor(name), student.weights[name]) for name in names)
        assert 'forest' in file.metadata()['classes']


def test_the_card_says_what_the_record_says(trained, exported):
    record = read_record(trained / 'result.json')
    card = (exported / 'README.md').read_text()
    last = max(trained.glob('checkpoints/epoch_*.pth'), key=lambda path: path.stat().st_mtime)
    epoch = int(last.stem.rsplit('_', 1)[1])
    assert f'| mIoU, % | {record["epochs"][epoch - 1]["val"]["mIoU"]:.4g} |' in card
    assert record['teacher']['sha256'] in card and file_digest(last) in card and record['git_commit'] in card
    assert all(f'| {index} | {name} |' in card for index, name in enumerate(record['dataset']['classes']))
    assert 'licence of the weights | _fill in_' in card


def test_an_export_is_exported_again_with_its_provenance(exported, tmp_path):
    assert cli.run(export.main, ['student', str(exported), '-o', str(tmp_path)]) == 0
    assert (tmp_path / 'README.md').read_text() == (exported / 'README.md').read_text()


def test_what_its_owner_wrote_into_a_card_stays(exported):
    path = exported / 'README.md'
    path.write_text(path.read_text().replace('licence of the weights | _fill in_', 'licence of the weights | CC0'))
    assert cli.run(export.main, ['student', str(exported), '-o', str(exported)]) == 0
    assert 'licence of the weights | CC0' in path.read_text()


def test_a_section_of_a_card_is_replaced_or_added():
    card = 'a\n<!-- table -->\nold\n<!-- /table -->\nb'
    assert with_section(card, 'table', 'new') == 'a\n<!-- table -->\nnew\n<!-- /table -->\nb'
    assert with_section('a\n', 'table', 'new') == 'a\n\n<!-- table -->\nnew\n<!-- /table -->\n'


@pytest.mark.parametrize('name', ['README.md', 'student.onnx', 'student.int8.onnx', 'table.json', 'config.py'])
def test_a_folder_with_something_else_in_it_is_left_alone(exported, tmp_path, capfd, name):
    """What a card lists and a table measures is of one checkpoint."""
    (tmp_path / name).write_text('# Something else\n')
    assert cli.run(export.main, ['student', str(exported), '-o', str(tmp_path)]) == 2
    assert f'{tmp_path / name} ' in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '# Something else\n'


def test_a_card_in_another_encoding_and_a_folder_in_a_files_place_are_named(exported, tmp_path, capfd):
    card = (exported / 'README.md').read_text().replace('_fill in_', 'Universität')
    (tmp_path / 'README.md').write_bytes(card.encode('latin-1'))
    assert cli.run(export.main, ['student', str(exported), '-o', str(tmp_path)]) == 2
    assert 'README.md is not UTF-8' in capfd.readouterr().err
    (tmp_path / 'student.safetensors').unlink()
    (tmp_path / 'student.safetensors').mkdir()
    assert cli.run(export.main, ['student', str(exported), '-o', str(tmp_path)]) == 2
    assert 'student.safetensors is no file' in capfd.readouterr().err


@pytest.mark.parametrize('text', ['x = 1', '', "model = 'a'"])
def test_a_config_without_a_model_is_named(exported, tmp_path, capfd, text):
    (tmp_path / 'config.py').write_text(text)
    (tmp_path / 'student.pth').write_bytes((exported / 'student.pth').read_bytes())
    assert cli.run(export.main, ['student', str(tmp_path), '-o', str(tmp_path / 'out')]) == 2
    assert f'config {tmp_path / "config.py"} has no model' in capfd.readouterr().err


def test_a_model_with_parts_of_this_package_is_refused_by_name(trained, exported):
    student, config = find_student(trained)
    teacher = find_student(trained, teacher=str(config.model.teacher_ckpt))[0]
    with pytest.raises(InputError, match=r"model\.backbone\.type='LightweightViT' is no part of MMSegmentation"):
        stock_config(teacher, stock_data(teacher, config, None))


def test_synchronised_norms_become_plain_and_an_ignore_value_of_the_data_is_kept(trained, tiles, tmp_path):
    student, config = find_student(trained)
    student.model.decode_head.norm_cfg = dict(type='SyncBN', requires_grad=True)
    (tmp_path / 'dataset.yaml').write_text(
        f'name: own\nclasses: [{", ".join(student.classes)}]\nignore_index: 200\nimg_suffix: .tif\n'
    )
    text = stock_config(student, stock_data(student, config, str(tmp_path)))
    assert 'SyncBN' not in text and 'mapsage' not in text
    written = Config.fromstring(text, '.py')
    assert written.model.decode_head.norm_cfg.type == 'BN'
    assert written.model.decode_head.ignore_index == written.test_evaluator.ignore_index == 200
    assert written.test_dataloader.dataset.img_suffix == '.tif'
    assert student.model.decode_head.norm_cfg.type == 'SyncBN'  # the student itself is left as it was


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['nowhere'], 'nowhere does not exist'),
        (['.'], 'neither a checkpoint in checkpoints nor student.pth'),
        (['lone.pth'], 'no config.py beside it'),
    ],
)
def test_wrong_sources_are_named(arguments, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict={}), 'lone.pth')
    assert cli.run(export.main, ['student', *arguments, '-o', 'out']) == 2
    assert said in capfd.readouterr().err
    assert not Path('out').exists()


@pytest.mark.parametrize('name', ['x"""; raise SystemExit(7); """', "x'''; raise SystemExit(7); '''"])
def test_a_name_in_the_data_is_no_code_in_the_config(trained, tmp_path, name):
    student, config = find_student(trained)
    classes = ', '.join(student.classes)
    (tmp_path / 'dataset.yaml').write_text(f'name: {json.dumps(name)}\nclasses: [{classes}]\nimg_suffix: .png\n')
    text = stock_config(student, stock_data(student, config, str(tmp_path)))
    assert Config.fromstring(text, '.py').test_dataloader.dataset.data_root == f'data/{name}'


def test_a_checkpoint_that_does_not_fit_leaves_nothing(trained, tmp_path, capfd):
    best = max(trained.glob('checkpoints/best_*.pth'), key=lambda path: path.stat().st_mtime)
    config = tmp_path / 'other.py'
    config.write_text(f'model = {tiny.student(classes=3).to_dict()!r}\n')
    out = tmp_path / 'out'
    assert cli.run(export.main, ['student', str(best), '--config', str(config), '-o', str(out)]) == 2
    assert 'does not fit the config' in capfd.readouterr().err
    assert not list(out.iterdir())


def test_safetensors_beside_their_config_are_taken_as_the_checkpoint_is(exported):
    one, other = (find_student(exported / f'student.{suffix}')[0] for suffix in ('safetensors', 'pth'))
    assert (one.classes, one.palette, one.provenance) == (other.classes, other.palette, other.provenance)
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in other.weights)
