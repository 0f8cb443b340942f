"""What `tools/export.py onnx` leaves: the same logits as torch at any size, from raw pixels, with its facts inside."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mapsage_mmseg.commands import cli, export, predict
from mapsage_mmseg.deployment.export import export_onnx
from mapsage_mmseg.deployment.export.export_onnx import metadata_of
from mapsage_mmseg.deployment.export.measure import Form, milliseconds, miou
from mapsage_mmseg.deployment.export.quantise import Way, of_one_size, quantise
from mapsage_mmseg.deployment.export.scored_tiles import Tiles
from mapsage_mmseg.deployment.find_student import find_student
from mapsage_mmseg.deployment.predictor import onnx_predictor, torch_predictor
from mapsage_mmseg.deployment.student import onnx_file
from mapsage_mmseg.deployment.student.graph import PixelsToLogits

onnx = pytest.importorskip('onnx', reason='needs the extra [deploy]')


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    """ONNX, int8 and table of the trained student, by the command line."""
    folder = tmp_path_factory.mktemp('onnx')
    command = ['onnx', str(trained), '-o', str(folder), '--int8', '--calibration', '4', '--table', '--rounds', '2']
    assert cli.run(export.main, command) == 0
    return folder


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.parametrize('shape', [(1, 32, 32), (3, 64, 64), (1, 47, 133), (2, 256, 96)])
def test_any_batch_and_size_gives_torchs_logits(trained, exported, shape):
    student, _ = find_student(trained)
    image = pixels(*shape)
    expected = torch_predictor(student).logits(image)
    assert expected.shape == (shape[0], 7, *shape[1:])
    np.testing.assert_allclose(onnx_predictor(exported / 'student.onnx').logits(image), expected, atol=1e-4)


@pytest.mark.parametrize('order', ['rgb_to_bgr', 'bgr_to_rgb', None])
@pytest.mark.parametrize('divisor', [1, 32])
def test_the_graph_prepares_pixels_as_mmsegmentation_does(trained, order, divisor):
    student, _ = find_student(trained)
    prepare = student.model.data_preprocessor
    prepare.update(rgb_to_bgr=order == 'rgb_to_bgr', bgr_to_rgb=order == 'bgr_to_rgb', pad_val=3)
    prepare.test_cfg = dict(size_divisor=divisor)
    segmentor, image = student.build(), pixels(50, 70)
    expected = onnx_file.stock_logits(segmentor, image)
    with torch.no_grad():
        found = PixelsToLogits(segmentor).eval()(torch.from_numpy(image[None]))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_metadata_say_what_it_eats_and_where_it_comes_from(trained, exported):
    student, _ = find_student(trained)
    for name in ('student.onnx', 'student.int8.onnx'):
        facts = metadata_of((exported / name).read_bytes())
        assert json.loads(facts['classes']) == list(student.classes)
        assert json.loads(facts['provenance'])['teacher']['sha256'] == student.provenance['teacher']['sha256']
        assert 'uint8' in facts['input'] and 'RGB' in facts['input'] and facts['model_channel_order'] == 'RGB'
        assert json.loads(facts['mean']) == pytest.approx([123.675, 116.28, 103.53])
    assert 'int8: MinMax calibration' in facts['precision'] and 'chosen by' in facts['precision']


def test_floats_are_refused_rather_than_normalised_twice(exported):
    with pytest.raises(Exception, match='Unexpected input data type'):
        onnx_predictor(exported / 'student.onnx').logits(pixels(1, 32, 32).astype(np.float32) / 255)


def test_a_graph_that_differs_from_torch_is_not_written(trained, exported, tmp_path, monkeypatch):
    student, _ = find_student(trained)
    wrong = shifted((exported / 'student.onnx').read_bytes())
    monkeypatch.setattr(onnx_file, '_translated', lambda graph: wrong)
    with pytest.raises(RuntimeError, match='was not written: its logits differ from torch'):
        onnx_file.write_onnx(student, tmp_path / 'student.onnx', [pixels(64, 64)])
    assert not list(tmp_path.iterdir())


def shifted(content):
    """The same graph with one bias of the classifier 0.01 higher."""
    model = onnx.load_from_string(content)
    bias = next(item for item in model.graph.initializer if item.name.endswith('conv_seg.bias'))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.01), bias.name))
    return model.SerializeToString()


def test_int8_is_smaller_and_nearly_as_good(exported):
    figures = json.loads((exported / 'table.json').read_text())
    forms = figures['forms']
    assert list(forms) == ['teacher, torch', 'student, torch', 'student, ONNX', 'student, ONNX int8']
    assert forms['student, torch']['mIoU'] == pytest.approx(forms['student, ONNX']['mIoU'], abs=0.02)
    assert abs(forms['student, ONNX']['mIoU'] - forms['student, ONNX int8']['mIoU']) < 1
    assert (exported / 'student.int8.onnx').stat().st_size < (exported / 'student.onnx').stat().st_size
    quantised = onnx.load(exported / 'student.int8.onnx')
    assert any(node.op_type == 'QuantizeLinear' for node in quantised.graph.node)
    card = (exported / 'README.md').read_text()
    assert '| student, ONNX int8 |' in card and '`student.int8.onnx`' in card and '`student.pth`' not in card


def test_the_next_way_is_tried_where_one_loses_more_than_one_miou(exported):
    content, scores, asked = (exported / 'student.onnx').read_bytes(), iter([40.0, 48.5, 49.0]), []
    ways = [Way('MinMax', ('Conv',)), Way('Percentile', ('Conv',)), Way('Entropy', ('Conv',)), Way('MinMax')]

    def score(model):
        asked.append(model)
        return next(scores)

    _, way, reached = quantise(content, [pixels(64, 64)], score, 50.0, ways)
    assert (way.calibration, reached, len(asked)) == ('Entropy', 49.0, 3)


def test_scores_are_those_of_a_confusion_matrix_done_by_hand():
    label = np.array([[0, 0], [1, 255]])
    logits = np.zeros((1, 2, 2, 2), np.float32)
    logits[0, 1, 0, 1] = logits[0, 1, 1] = 1.0  # predicted: 0 1 / 1 1
    scores = miou(lambda image: logits, [(np.zeros((2, 2, 3), np.uint8), label)], ('a', 'b'))
    assert (scores['IoU.a'], scores['IoU.b'], scores['mIoU']) == (50.0, 50.0, 50.0)


def test_forms_are_timed_in_turns():
    calls = []
    forms = {name: Form(lambda image, name=name: calls.append(name), 1.0) for name in 'ab'}
    times = milliseconds(forms, np.zeros((256, 256, 3), np.uint8), rounds=2)
    assert calls == ['a', 'b'] * 3 and {name: len(values) for name, values in times.items()} == dict(a=2, b=2)


def test_tiles_are_rgb_and_spread_over_the_set(tiles):
    data = dict(type='FolderLandCover', data_root=str(tiles), split='val')
    first = next(iter(Tiles(data, 1)))[0]
    assert np.array_equal(first, np.asarray(Image.open(tiles / 'img_dir/val/0.png')))
    data = dict(type='SyntheticLandCover', size=64, length=10)
    assert Tiles(data, 4).indices == [0, 2, 5, 7] and len(Tiles(data)) == 10


@pytest.mark.parametrize('option', [['--calibration', '0'], ['--rounds', '0'], ['--data-root', 'nowhere']])
def test_wrong_options_leave_no_file(trained, tmp_path, option, capfd):
    assert cli.run(export.main, ['onnx', str(trained), '-o', str(tmp_path), *option]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.fixture
def odd(tiles, tmp_path):
    """The tiles, with the student's classes and one training tile of another size."""
    folder = Path(shutil.copytree(tiles, tmp_path / 'odd'))
    for kind in ('img_dir', 'ann_dir'):
        image = Image.open(folder / kind / 'train/0.png')
        image.crop((0, 0, 40, 40)).save(folder / kind / 'train/2.png')
    return folder


def in_classes_of(folder, student, more=''):
    (folder / 'dataset.yaml').write_text(f'name: odd\nclasses: {json.dumps(student.classes)}\nimg_suffix: .png\n{more}')
    return str(folder)


def test_images_of_one_size_are_those_of_most():
    shapes = [(2, 3, 3), (4, 4, 3), (2, 3, 3)]
    assert [image.shape for image in of_one_size([np.zeros(shape) for shape in shapes])] == [(2, 3, 3)] * 2


def test_int8_of_tiles_of_several_sizes_by_histograms(trained, odd, tmp_path, monkeypatch):
    monkeypatch.setattr(export_onnx, 'quantise', partial(quantise, ways=[Way('Percentile')]))
    root = in_classes_of(odd, find_student(trained)[0])
    command = ['onnx', str(trained), '-o', str(tmp_path / 'out'), '--int8', '--data-root', root]
    assert cli.run(export.main, command) == 0
    assert 'on 2 training images' in metadata_of((tmp_path / 'out/student.int8.onnx').read_bytes())['precision']


def test_tiles_that_cannot_be_read_are_named_and_score_nothing(trained, odd, tmp_path, capfd):
    root = in_classes_of(odd, find_student(trained)[0])
    (odd / 'img_dir/val/1.png').write_bytes(b'no picture')
    assert cli.run(export.main, ['onnx', str(trained), '-o', str(tmp_path / 'out'), '--data-root', root]) == 2
    assert 'img_dir/val/1.png' in capfd.readouterr().err


def test_tiles_of_other_bands_are_named(trained, odd, tmp_path, capfd):
    root = in_classes_of(odd, find_student(trained)[0], 'bands: [3, 1]\nmean: [0, 0]\nstd: [1, 1]\n')
    assert cli.run(export.main, ['onnx', str(trained), '-o', str(tmp_path / 'out'), '--data-root', root]) == 2
    assert 'bands 3, 1; the student takes red, green and blue' in capfd.readouterr().err


def test_onnx_and_torch_predict_the_same_classes(trained, exported, tmp_path):
    Image.fromarray(pixels(90, 130)).save(tmp_path / 'scene.png')
    maps = []
    for name, model in (('torch', trained), ('onnx', exported / 'student.onnx')):
        command = [str(model), str(tmp_path / 'scene.png'), '-o', str(tmp_path / name), '--window', '64']
        assert cli.run(predict.main, [*command, '--overlap', '16']) == 0
        maps.append(np.asarray(Image.open(tmp_path / name / 'scene.png')))
    assert np.array_equal(*maps)


def test_a_foreign_onnx_file_is_refused(exported, tmp_path, capfd):
    model = onnx.load(exported / 'student.onnx')
    del model.metadata_props[:]
    onnx.save(model, tmp_path / 'foreign.onnx')
    (tmp_path / 'garbage.onnx').write_text('no graph')
    Image.fromarray(pixels(32, 32)).save(tmp_path / 'a.png')
    for name, said in (
        ('foreign', 'no classes and palette'),
        ('garbage', 'cannot be read'),
        ('none', 'does not exist'),
    ):
        command = [str(tmp_path / f'{name}.onnx'), str(tmp_path / 'a.png'), '-o', str(tmp_path / 'out')]
        assert cli.run(predict.main, command) == 2
        error = capfd.readouterr().err
        assert said in error and len(error.splitlines()) == 1
