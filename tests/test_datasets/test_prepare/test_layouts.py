"""DeepGlobe and OpenEarthMap as they are unpacked, in miniature: one command each, and tiles that train."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mapsage_mmseg.commands import cli, prepare_data
from mapsage_mmseg.datasets.prepare import LAYOUTS
from mapsage_mmseg.datasets.tiles.dataset import check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from tests import scenes

DEEPGLOBE = [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
UNKNOWN = 6


def stripes(count, side=32):
    """(side, side): the numbers from 0, each in its rows."""
    return np.repeat((np.arange(side) * count // side)[:, None], side, 1).astype(np.uint8)


@pytest.fixture
def deepglobe(tmp_path, monkeypatch):
    """train, valid and test; the masks are off by some, as in some copies."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 128, (32, 32, 3))
    colours = np.array(DEEPGLOBE)[stripes(7)]
    noisy = np.where(colours == 255, 255 - noise, noise).astype(np.uint8)  # 128 at least, 127 at most
    for number in (119, 2334, 855):
        scenes.write(tmp_path / f'land/train/{number}_sat.jpg', scenes.photograph(32, 32))
        scenes.write(tmp_path / f'land/train/{number}_mask.png', noisy)
    scenes.write(tmp_path / 'land/valid/3_sat.jpg', scenes.photograph(32, 32))
    scenes.write(tmp_path / 'land/test/4_sat.jpg', scenes.photograph(32, 32))
    return tmp_path / 'land'


@pytest.fixture
def openearthmap(tmp_path, monkeypatch):
    """Two regions, one with an underscore; of a third there are labels alone, as of those that xBD has to bring."""
    monkeypatch.chdir(tmp_path)
    root, listed = tmp_path / 'OpenEarthMap_wo_xBD', dict(train=[], val=[], test=[])
    for region, splits in (('aachen', ('train', 'val', 'test')), ('al_qurnah', ('train', 'val')), ('joplin', ('val',))):
        for number, split in enumerate(splits, start=1):
            name = f'{region}_{number}.tif'
            listed[split].append(name)
            if region != 'joplin':
                scenes.write(root / region / 'images' / name, scenes.photograph(32, 32))
            if split != 'test':
                scenes.write(root / region / 'labels' / name, stripes(9))
    for split, names in listed.items():
        (root / f'{split}.txt').write_text('\n'.join(names) + '\n')
    return root


def run(*arguments):
    return cli.run(prepare_data.main, [*map(str, arguments), '-o', 'tiles', '--size', '32'])


def labels(split):
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(Path(f'tiles/ann_dir/{split}').iterdir())}


def refused(capfd, message, *arguments):
    assert run(*arguments) == 2
    error = capfd.readouterr().err
    assert message in error and error.count('error: ') == 1 and 'Traceback' not in error, error


@pytest.mark.parametrize('folder', ['land', 'land/train'])
def test_deepglobe(folder, deepglobe, capfd):
    assert run(folder, '--layout', 'deepglobe', '--val', '855') == 0
    assert ('2 images have no mask and are left out' in capfd.readouterr().out) == (folder == 'land')
    assert set(labels('train')) == {'119_r0000_c0000', '2334_r0000_c0000'}
    ((name, label),) = labels('val').items()
    assert name == '855_r0000_c0000'
    np.testing.assert_array_equal(label, np.where(stripes(7) == UNKNOWN, 255, stripes(7)))
    described = yaml.safe_load(Path('tiles/dataset.yaml').read_text())
    assert described['classes'] == ['urban', 'agriculture', 'rangeland', 'forest', 'water', 'barren']
    assert [tuple(colour) for colour in described['palette']] == DEEPGLOBE[:6]
    check_folder('tiles', read_dataset_yaml('tiles'))


def test_openearthmap(openearthmap, capfd):
    assert run(openearthmap, '--layout', 'openearthmap') == 0
    assert '1 listed images are not there and are left out' in capfd.readouterr().out
    assert set(labels('train')) == {'aachen_1_r0000_c0000', 'al_qurnah_1_r0000_c0000'}
    assert set(labels('val')) == {'aachen_2_r0000_c0000', 'al_qurnah_2_r0000_c0000'}
    expected = np.where(stripes(9) == 0, 255, stripes(9) - 1)
    for label in (*labels('train').values(), *labels('val').values()):
        np.testing.assert_array_equal(label, expected)
    described = yaml.safe_load(Path('tiles/dataset.yaml').read_text())
    assert (described['classes'][0], described['classes'][7], len(described['classes'])) == ('bareland', 'building', 8)
    check_folder('tiles', read_dataset_yaml('tiles'))


def test_a_split_of_ones_own_goes_before_the_publishers(openearthmap):
    assert run(openearthmap, '--layout', 'openearthmap', '--val', 'aachen_.*') == 0
    assert set(labels('val')) == {'aachen_1_r0000_c0000', 'aachen_2_r0000_c0000'}


def test_the_threshold_is_128():
    colours = np.array([[[127, 128, 255], [128, 127, 0], [127, 127, 127]]], np.uint8)  # cyan, red, black
    assert LAYOUTS['deepglobe'].table.labels(colours).tolist() == [[0, 254, 255]]  # red is no class's


def test_what_is_not_there_is_named(deepglobe, openearthmap, capfd):
    refused(capfd, 'holds no <id>_sat.jpg', openearthmap, '--layout', 'deepglobe')
    refused(capfd, 'train.txt: No such file or directory', deepglobe, '--layout', 'openearthmap')
    refused(
        capfd, '--classes and --layout deepglobe say the same', deepglobe, '--layout', 'deepglobe', '--classes', 'c'
    )
    (openearthmap / 'val.txt').write_text('')
    refused(capfd, 'all 2 images found are of one list', openearthmap, '--layout', 'openearthmap')
    (openearthmap / 'train.txt').write_text('elsewhere_1.tif\n')
    refused(capfd, 'expected OpenEarthMap', openearthmap, '--layout', 'openearthmap')
