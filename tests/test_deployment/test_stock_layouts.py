"""What leaves of a run on one of MMSegmentation's own data sets reads that set as MMSegmentation does."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mapsage_mmseg.commands import cli, export, train
from mapsage_mmseg.deployment.demo import models as demo_models
from mapsage_mmseg.deployment.export.stock_config import stock_config
from mapsage_mmseg.deployment.find_student import find_student
from mapsage_mmseg.deployment.student_data import data_of, stock_data
from mapsage_mmseg.errors import InputError
from tests.downloads import made_by_converter
from tests.stock_sets import only, write_small
from tests.under_stock import under_stock

pytest.importorskip('safetensors', reason='needs the extra [deploy]')


@pytest.fixture(scope='module')
def loveda(tmp_path_factory) -> Path:
    return made_by_converter('loveda', tmp_path_factory.mktemp('download'))


@pytest.fixture(scope='module')
def trained(loveda, repository, tmp_path_factory) -> Path:
    """The directory of a small run on LoveDA, without a teacher."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp('run'))
        write_small('loveda', repository)
        assert cli.run(train.main, ['no_distill.py', '--data-root', str(loveda)]) == 0
        return only('loveda/no_distill_*').resolve()


def test_stock_mmsegmentation_tests_the_student_on_its_own_data_set(trained, exported, loveda, tmp_path):
    written = Config.fromfile(str(exported / 'config.py'))
    data = written.test_dataloader.dataset
    assert (data.type, data.data_root) == ('LoveDADataset', 'data/LoveDADataset')
    assert data.data_prefix == dict(img_path='img_dir/val', seg_map_path='ann_dir/val')
    found = under_stock(exported, np.zeros((1, 32, 32, 3), np.uint8), loveda, tmp_path)
    validation = json.loads((trained / 'result.json').read_text())['epochs'][-1]['val']
    assert found['mIoU'] == pytest.approx(validation['mIoU'], abs=0.01)  # as MMSegmentation rounds it
    assert found['classes'].tolist() == list(find_student(trained)[0].classes)


def test_an_export_is_exported_again_in_its_layout(exported, loveda, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('dataset.yaml').write_text('classes: [a]')  # of something else that lies here
    for arguments in ([], ['--data-root', str(loveda)]):
        out = tmp_path / str(len(arguments))
        assert cli.run(export.main, ['student', str(exported), '-o', str(out), *arguments]) == 0
        assert (out / 'config.py').read_text() == (exported / 'config.py').read_text()


def test_a_folder_in_that_layout_serves_onnx_and_the_demo(trained, loveda, tmp_path, capfd):
    moved = shutil.copytree(loveda, tmp_path / 'moved')
    command = ['onnx', str(trained), '-o', str(tmp_path / 'out'), '--data-root', str(moved)]
    assert cli.run(export.main, command) == 0
    assert 'on 4 validation images' in capfd.readouterr().out
    student, config = find_student(trained)
    examples = demo_models.find_examples(config, str(moved), 2, student)
    assert len(examples) == 2
    shutil.rmtree(moved / 'ann_dir' / 'val')
    assert cli.run(export.main, command) == 2
    assert f'{moved}/ann_dir/val is missing' in capfd.readouterr().err


def test_a_folder_of_tiles_serves_too_where_its_classes_are_the_students(trained, tiles, tmp_path):
    student, config = find_student(trained)
    tiles = shutil.copytree(tiles, tmp_path / 'tiles')
    with pytest.raises(InputError, match=r'its classes are a, b, c, d, e, f, g; the model knows background, .*'):
        stock_data(student, config, str(tiles))
    (tiles / 'dataset.yaml').write_text(f'name: own\nclasses: {json.dumps(list(student.classes))}\nimg_suffix: .png\n')
    assert data_of(config, 'val', str(tiles), student) == dict(
        type='FolderLandCover', data_root=str(tiles), split='val', classes=list(student.classes)
    )
    written = stock_data(student, config, str(tiles))
    assert (written['type'], written['data_root'], written['img_suffix']) == ('BaseSegDataset', 'data/own', '.png')


def test_a_data_set_of_somebody_elses_is_no_part_of_mmsegmentation(trained):
    student, config = find_student(trained)
    dataset = {**stock_data(student, config, None), 'type': 'SyntheticLandCover'}
    with pytest.raises(InputError, match=r'SyntheticLandCover is no part of MMSegmentation.*--data-root PATH'):
        stock_config(student, dataset)
