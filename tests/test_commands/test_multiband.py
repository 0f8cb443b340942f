"""From scenes of four bands and 16 bits to a distilled student, its prediction and its ONNX file."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from mmengine.config import Config
from PIL import Image

from mapsage_mmseg.commands import cli, export, predict, prepare_data, train
from mapsage_mmseg.datasets.synthetic.drawing import draw_scene
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.deployment.find_student import find_student
from mapsage_mmseg.deployment.predictor import onnx_predictor, torch_predictor
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import Bands
from mapsage_mmseg.settings.data_root import apply_data_root, set_bands
from mapsage_mmseg.settings.load import configs_dir, load_config
from tests import small

CLASSES = ['background', 'building', 'road', 'water', 'barren', 'forest', 'agriculture']


def write_scenes(folder):
    """Three scenes of 128 x 128: red, green, blue and near infrared in 16 bits, and the last pixel without data."""
    folder.mkdir()
    for index, name in enumerate('abc'):
        image, label = draw_scene(0, 'train', index, 128)
        bands = np.concatenate([image[..., ::-1], (30 * label)[..., None]], -1).astype(np.uint16) * 40 + 200
        bands[-1, -1] = 0
        for file, pixels, more in ((f'{name}.tif', bands, dict(nodata=0)), (f'{name}_mask.tif', label[..., None], {})):
            profile = dict(driver='GTiff', height=128, width=128, count=pixels.shape[2], dtype=pixels.dtype, **more)
            with rasterio.open(folder / file, 'w', **profile) as target:
                target.write(np.moveaxis(pixels, -1, 0))
    (folder / 'classes.yaml').write_text(f'classes: {CLASSES}\nignore: [255]\n')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A finished distillation on such tiles, in ``run``; the scenes and tiles lie beside it."""
    folder = tmp_path_factory.mktemp('bands')
    write_scenes(folder / 'scenes')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        argv = ['scenes', '-o', 'tiles', '--size', '64', '--val', 'c', '--format', 'tif']
        assert cli.run(prepare_data.main, argv) == 0
        small.write_configs(folder)
        Path('teacher.py').rename('own_teacher.py')
        with open('improved.py', 'a') as file:
            file.write("teacher_recipe = 'own_teacher.py'\n")
        assert cli.run(train.main, ['improved.py', '--data-root', 'tiles', '--work-dir', 'run']) == 0
    return folder


def test_tiles_keep_values_and_dataset_yaml_says_their_statistics(folder):
    with rasterio.open(folder / 'scenes/a.tif') as scene, rasterio.open(folder / 'tiles/img_dir/train/a_r0064_c0064.tif') as tile:  # noqa: E501  # fmt: skip
        assert (tile.read() == scene.read()[:, 64:, 64:]).all() and tile.dtypes == ('uint16',) * 4
    values = []
    for name in 'ab':
        with rasterio.open(folder / f'scenes/{name}.tif') as scene:
            values.append(scene.read().reshape(4, -1)[:, :-1])  # all but the pixel without data
    values = np.concatenate(values, 1).astype(float)
    content = yaml.safe_load((folder / 'tiles/dataset.yaml').read_text())
    assert content['bands'] == [1, 2, 3, 4]
    np.testing.assert_allclose(content['mean'], values.mean(1), rtol=1e-5)
    np.testing.assert_allclose(content['std'], values.std(1), rtol=1e-5)
    sheet = np.asarray(Image.open(folder / 'tiles/contact_sheet.png'))
    assert sheet.std() > 20


def test_teacher_and_student_take_the_bands_as_their_statistics_say(folder):
    bands = read_dataset_yaml(folder / 'tiles').bands
    config = Config.fromfile(folder / 'run/config.py')
    assert config.model.data_preprocessor['mean'] == list(bands.mean) and not config.model.data_preprocessor.bgr_to_rgb
    assert config.model.architecture.backbone.in_channels == config.model.teacher.backbone.stem.in_channels == 4
    record = json.loads((folder / 'run/result.json').read_text())
    assert record['status'] == 'finished' and record['student']['gflops'] > 0 and record['teacher']['gflops'] > 0
    picture = np.asarray(Image.open(next(folder.glob('run/pictures/*/image.jpg'))))
    assert picture.shape == (64, 64, 3) and picture.std() > 20


def test_a_scene_is_predicted_from_its_values(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert cli.run(predict.main, ['run', 'scenes/c.tif', '-o', 'maps', '--window', '64', '--overlap', '0']) == 0
    with rasterio.open('maps/c.tif') as found, rasterio.open('scenes/c.tif') as scene:
        classes, values = found.read(1), scene.read()
    assert classes[-1, -1] == 255  # no data
    logits = torch_predictor(find_student('run')[0]).logits
    tile = np.moveaxis(values[:, :64, :64], 0, -1).astype(np.float32)
    assert (classes[:64, :64] == logits(tile[None])[0].argmax(0)).all()


def test_the_onnx_file_takes_the_same_values(folder, monkeypatch):
    pytest.importorskip('onnxruntime', reason='needs the extra [deploy]')
    monkeypatch.chdir(folder)
    assert cli.run(export.main, ['onnx', 'run', '-o', 'out']) == 0
    predictor, student = onnx_predictor(Path('out/student.onnx')), find_student('run')[0]
    assert predictor.bands == student.bands == read_dataset_yaml('tiles').bands
    tile = np.random.default_rng(0).uniform(200, 9000, (1, 64, 96, 4)).astype(np.float32)
    np.testing.assert_allclose(predictor.logits(tile), torch_predictor(student).logits(tile), atol=1e-3)
    argv = ['out/student.onnx', 'scenes/c.tif', '-o', 'small']
    assert cli.run(predict.main, argv) == 0 and Path('small/c.tif').is_file()
    assert 'bands 1, 2, 3, 4 in this order' in Path('out/README.md').read_text()


@pytest.mark.parametrize(
    ('tool', 'argv', 'message'),
    [
        (predict, ['run', 'scenes/c.tif', '-o', 'x', '--bands', '1', '2', '3'], '--bands 1 2 3: the model takes 4'),
        (predict, ['run', 'scenes/c.tif', '-o', 'x', '--range', '0', '9'], '--range: the model takes values as they'),
        (predict, ['run', 'scenes/c_mask.tif', '-o', 'x'], 'c_mask.tif has 1 bands, where those that the model takes'),
        (export, ['student', 'run', '-o', 'x'], 'the student takes bands 1, 2, 3, 4, which stock MMSegmentation'),
        (prepare_data, ['scenes', '-o', 'x', '--format', 'tif', '--range', '0', '9'], '--range brings values to 8'),
        (prepare_data, ['scenes', '-o', 'x', '--bands', '1', '2'], 'one number or three; --format tif takes any'),
        (prepare_data, ['scenes', '-o', 'x'], 'keep the values with --format tif, or name those that become'),
        (train, ['no_distill.py', '--data-root', 'other'], 'has 4 bands; expected band 5'),
    ],
)
def test_what_does_not_fit_is_named(folder, monkeypatch, capfd, tool, argv, message):
    monkeypatch.chdir(folder)
    if 'other' in argv and not Path('other').exists():
        Path('other').mkdir()
        for name in ('img_dir', 'ann_dir'):
            Path('other', name).symlink_to(folder / 'tiles' / name)
        text = Path('tiles/dataset.yaml').read_text().replace('[1, 2, 3, 4]', '[1, 2, 3, 5]')
        Path('other/dataset.yaml').write_text(text)
    assert cli.run(tool.main, argv) == 2
    error = capfd.readouterr().err
    assert message in error and 'Traceback' not in error


def test_scenes_that_differ_in_their_bands(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / 'scenes')
    with rasterio.open('scenes/b.tif') as scene:
        values = scene.read()[:3]
    with rasterio.open('scenes/b.tif', 'w', driver='GTiff', height=128, width=128, count=3, dtype='uint16') as target:
        target.write(values)
    assert cli.run(prepare_data.main, ['scenes', '-o', 'tiles', '--format', 'tif', '--val', 'c']) == 2
    assert 'b.tif has 3 bands of uint16; expected 4 of uint16, as scenes/a.tif has' in capfd.readouterr().err


def test_a_run_whose_preprocessor_knows_nothing_of_the_bands_is_refused(folder, monkeypatch, capfd):
    """As under a tool that does not set it: three of four bands would be taken without a word."""
    monkeypatch.chdir(folder)
    text = "_base_ = 'no_distill.py'\n" + ''.join(
        f"{split}_dataloader = dict(dataset=dict(_delete_=True, type='FolderLandCover', data_root='tiles', "
        f"split='{name}', pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), "
        "dict(type='PackSegInputs')]))\n"
        for split, name in (('train', 'train'), ('val', 'val'), ('test', 'val'))
    )
    Path('stock.py').write_text(text)
    assert cli.run(train.main, ['stock.py', '--work-dir', 'stock']) == 2
    assert 'model.data_preprocessor.mean=[123.675, 116.28, 103.53], and dataset.yaml names' in capfd.readouterr().err


def test_what_distorts_colours_of_8_bits_is_left_out_or_refused(folder):
    augmented = load_config(configs_dir() / '_base_/datasets/folder_augmented.py').train_dataloader.dataset
    config = load_config(configs_dir() / 'distill/recommended_control.py')
    apply_data_root(config, str(folder / 'tiles'))
    kept = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert kept == [step.type for step in augmented.pipeline if step.type != 'RandomColourShift']
    assert len(kept) == len(augmented.pipeline) - 1
    pipeline = [dict(type='LoadImageFromFile'), dict(type='CLAHE'), dict(type='PackSegInputs')]
    with pytest.raises(InputError, match=r"dataset.pipeline\[1\].type='CLAHE' works on red, green and blue of 8 bits"):
        FolderLandCover(str(folder / 'tiles'), pipeline=pipeline)


@pytest.mark.parametrize('name', ['MobileNetV2', 'MSCAN'])  # the second has in_channels, and does not look at it
def test_a_backbone_of_three_bands_alone_is_named(name):
    backbone = dict(type=f'mmseg.{name}', norm_cfg=dict(type='BN'))
    config = Config(dict(model=dict(type='EncoderDecoder', backbone=backbone)))
    with pytest.raises(InputError, match=f'backbone {name} takes three bands, and dataset.yaml names 4'):
        set_bands(config, Bands((1, 2, 3, 4), (0.0,) * 4, (1.0,) * 4))
