"""The tool from end to end: scenes in, a folder that trains out."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from mapsage_mmseg.commands import cli, prepare_data, train
from mapsage_mmseg.datasets.prepare import KNOWN, preparing
from mapsage_mmseg.datasets.prepare.writing import staging_folder
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from tests import scenes, small
from tests.test_datasets.test_prepare.test_known import write_archive

SIZES = {'north': (64, 96), 'south': (70, 64), 'west': (64, 64), 'small': (20, 40)}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return scenes.write_scenes(tmp_path / 'scenes', SIZES)


def run(*arguments):
    return cli.run(prepare_data.main, ['scenes', '-o', 'tiles', '--size', '32', '--val', 'west', *map(str, arguments)])


def refused(capfd, message, *arguments):
    assert run(*arguments) == 2
    error = capfd.readouterr().err
    assert message in error and error.count('error: ') == 1 and 'Traceback' not in error, error
    assert not Path('tiles').exists() or not Path('tiles/dataset.yaml').exists()


def content(folder):
    files = sorted(path for path in Path(folder).rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def array(path):
    return np.asarray(Image.open(path))


def test_tiles_are_what_lies_there_in_the_scene(root):
    assert run() == 0
    names = {
        split: sorted(path.stem for path in Path(f'tiles/img_dir/{split}').iterdir()) for split in ('train', 'val')
    }
    assert names['val'] == [f'west_r00{row}_c00{column}' for row in ('00', '32') for column in ('00', '32')]
    assert [name for name in names['train'] if name.startswith('south')] == [
        f'south_r00{row}_c00{column}' for row in ('00', '32', '38') for column in ('00', '32')
    ]
    assert [name for name in names['train'] if name.startswith('small')] == ['small_r0000_c0000', 'small_r0000_c0008']
    for name, (height, width) in dict(south_r0038_c0032=SIZES['south'], small_r0000_c0008=SIZES['small']).items():
        row, column = int(name[-10:-6]), int(name[-4:])
        part = slice(row, row + 32), slice(column, column + 32)
        assert (array(f'tiles/img_dir/train/{name}.png') == scenes.photograph(height, width)[part]).all()
        assert (array(f'tiles/ann_dir/train/{name}.png') == scenes.blocks(height, width)[part]).all()
    assert sorted(path.name for path in Path('tiles').iterdir()) == [
        'ann_dir', 'contact_sheet.png', 'dataset.yaml', 'img_dir', 'statistics.md'
    ]  # fmt: skip
    assert not staging_folder(Path('tiles')).exists()


def test_training_reads_it(root):
    assert run() == 0
    spec = read_dataset_yaml('tiles')
    assert (spec.name, spec.classes, spec.palette) == ('tiles', scenes.CLASSES, scenes.PALETTE)
    check_folder('tiles', spec)
    data = FolderLandCover('tiles', part='tune')  # by scene
    scene = {data.get_data_info(index)['img_path'].split('/')[-1].split('_')[0] for index in range(len(data))}
    assert len(scene) == 1
    small.write_configs(Path(), epochs=1)
    assert cli.run(train.main, ['no_distill.py', '--data-root', 'tiles', '--work-dir', 'run']) == 0


def test_numbers_in_masks_jpeg_overlap_and_a_drawn_split(root):
    scenes.write_scenes(root, SIZES, scenes.AS_NUMBERS)
    arguments = ['scenes', '-o', 'tiles', '--size', '32', '--overlap', '16', '--format', 'jpg', '--name', 'mine']
    assert cli.run(prepare_data.main, arguments) == 0
    spec = read_dataset_yaml('tiles')
    assert (spec.name, spec.img_suffix) == ('mine', '.jpg')
    files = list(Path('tiles/img_dir').rglob('north*.jpg'))
    assert len(files) == 3 * 5 and len({path.parent.name for path in files}) == 1
    assert (
        array(next(Path('tiles/ann_dir').rglob('north_r0016_c0032.png'))) == scenes.blocks(64, 96)[16:48, 32:64]
    ).all()


def test_statistics_say_what_was_dropped(root, capfd):
    label = scenes.blocks(64, 96)
    label[:32, :32][:17] = 255  # 17 of 32 rows
    label[:32, 32:64][:16] = 255  # half: not more
    scenes.write(root / 'north_mask.png', scenes.painted(label))
    assert run() == 0
    text = Path('tiles/statistics.md').read_text()
    assert 'python tools/prepare_data.py scenes -o tiles --size 32 --val west' in text
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in (l.split('|') for l in text.splitlines()) if cells[1:]}  # noqa: E501, E741  # fmt: skip
    assert rows['north'][:4] == ['train', '1', '5', '1'] and rows['tiles'] == ['13', '4']
    stem = 'north_r0000_c0032'
    assert Path(f'tiles/ann_dir/train/{stem}.png').exists() and not list(Path('tiles').rglob('north_r0000_c0000*'))
    assert '| road ' in capfd.readouterr().out


def test_an_unknown_colour(root, capfd):
    label = scenes.painted(scenes.blocks(70, 64))
    label[40, 50] = 1, 2, 3
    scenes.write(root / 'south_mask.png', label)
    refused(capfd, 'south_mask.png: colour [1, 2, 3] (#010203) at row 40, column 50')
    assert run('--unknown', 'ignore') == 0
    assert array('tiles/ann_dir/train/south_r0038_c0032.png')[2, 18] == 255


def test_an_unknown_number(root, capfd):
    scenes.write_scenes(root, SIZES, 'classes: [water, land, road]')
    refused(capfd, 'north_mask.png: number 255 at row 0, column 0; expected one of a class (its ids) or one to ignore')


def another_form(root, **profile):
    (root / 'west.png').unlink()
    scenes.write_geotiff(root / 'west.tif', scenes.photograph(64, 64, 1) // 16, **profile)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda root: (root / 'classes.yaml').unlink(), '--classes FILE is missing, and scenes holds no classes.yaml'),
        (lambda root: (root / 'west_mask.png').unlink(), 'west.png has no mask; expected scenes/west_mask'),
        (lambda root: scenes.write(root / 'west.png', scenes.photograph(64, 65)), 'has 64x64 pixels; expected 65x64'),
        (
            lambda root: scenes.write(root / 'west.png', scenes.photograph(64, 64, 1)[..., 0].astype(np.uint16)),
            'west.png is uint16, and tiles have 8 bits; keep the values with --format tif, or name those',
        ),
        (
            lambda root: another_form(root, photometric='miniswhite'),
            'west.tif is a negative (MINISWHITE: 0 is white); turn it into a positive first',
        ),
        (lambda root: another_form(root, nbits=4), 'west.tif is 4-bit, and tiles have 8 bits; keep the values'),
        (lambda root: (root / 'classes.yaml').write_text('classes: [a, b]'), 'is in colours; expected their meaning'),
        (
            lambda root: scenes.write(root / 'west_mask.png', np.full((64, 64, 3), scenes.GREY, np.uint8)),
            'val: none of 4 tiles holds a class in at least 50% of its pixels',
        ),
        (lambda root: scenes.write(Path('tiles/a.png'), scenes.photograph(8, 8)), 'not an empty folder'),
        (lambda root: Path('tiles').touch(), 'exists and is not an empty folder'),
    ],
)
def test_input_that_is_wrong(root, capfd, spoil, message):
    spoil(root)
    refused(capfd, message)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--size', 1], '--size 1 must be a whole number from 2'),
        (['--stride', 33], '--stride 33 must be a whole number from 1 to 32'),
        (['--overlap', 32], '--overlap 32 must be a whole number from 0 to 31'),
        (['--max-ignored', 1], '--max-ignored 1.0 must be a share from 0, below 1'),
        (['--bands', 1, 2], '--bands 1 2 must be one number or three'),
        (['--bands', 1, 2, 4], 'has 3 bands; expected band 4 among them'),
        (['--range', 9, 9], '--range 9 9 must be two finite numbers, the lower one first'),
        (['--quality', 0], '--quality 0 must be'),
        (['--name', 'a/b'], "name has 'a/b'"),
        (['--val', 'east'], "--val 'east' matches no scene; expected a share between 0 and 1, or some of north, small"),
        (['--masks', 'nowhere'], 'nowhere: no such folder'),
    ],
)
def test_arguments_that_are_wrong(root, capfd, arguments, message):
    refused(capfd, message, *arguments)


def killed_after(labels, arguments):
    """Runs the tool in a process that is killed, as it writes that many labels."""
    child = os.fork()
    if not child:
        write, written = preparing.write_label, []

        def count(file, label):
            if len(written) == labels:
                os.kill(os.getpid(), signal.SIGKILL)
            written.append(file)
            write(file, label)

        preparing.write_label = count
        run(*arguments)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(('labels', 'finished'), [(3, 0), (9, 2)])
def test_killed_it_goes_on(root, capfd, labels, finished):
    assert run() == 0
    Path('tiles').rename('undisturbed')
    killed_after(labels, [])
    assert not Path('tiles').exists() and not list(Path().rglob('.tiles*/dataset.yaml'))
    capfd.readouterr()
    assert run() == 0
    said = f'{finished} of 4 images were finished earlier' in capfd.readouterr().out
    assert said == (finished > 0)
    assert content('tiles') == content('undisturbed')


def test_on_a_full_disk_it_stops_and_goes_on(root, monkeypatch, capfd):
    write = preparing.write_label

    def full(file, label):
        if file.stem.startswith('south'):
            raise OSError(errno.ENOSPC, 'No space left on device', str(file))
        write(file, label)

    monkeypatch.setattr(preparing, 'write_label', full)
    assert run() == 1
    error = capfd.readouterr().err
    assert error.endswith('.tiles.partial: No space left on device; make room, and give the same command again\n')
    monkeypatch.undo()
    os.chdir(root.parent)
    assert run() == 0 and '2 of 4 images were finished earlier' in capfd.readouterr().out


def test_a_second_command_waits_for_its_turn(root, capfd):
    staging_folder(Path('tiles')).mkdir()
    holder = 'import fcntl, sys; f = open(sys.argv[1], "a"); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()'
    lock = staging_folder(Path('tiles')) / '.lock'
    other = subprocess.Popen([sys.executable, '-c', holder, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    refused(capfd, 'is in use by another process; wait for it, or choose another directory with -o')
    other.communicate(b'\n')
    assert run() == 0


def test_killed_and_called_differently_it_starts_over(root):
    assert run('--format', 'jpg') == 0
    Path('tiles').rename('undisturbed')
    killed_after(9, [])
    assert run('--format', 'jpg') == 0
    assert content('tiles') == content('undisturbed')


def test_a_geotiff_with_nodata_is_read_in_windows(root, monkeypatch, capfd):
    pixels, label = scenes.photograph(64, 64, 4), scenes.blocks(64, 64)
    pixels[:, :8] = 0
    painted = scenes.painted(label)
    painted[:, :8] = 1, 2, 3  # in no list, and outside the picture
    place = dict(crs='EPSG:32640', transform=rasterio.transform.from_origin(300000, 2800000, 0.5, 0.5))
    profile = dict(driver='GTiff', height=64, width=64, dtype='uint8', **place)
    with rasterio.open(root / 'west.tif', 'w', count=4, photometric='MINISBLACK', nodata=0, **profile) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    with rasterio.open(root / 'west_mask.tif', 'w', count=3, **profile) as file:
        file.write(np.moveaxis(painted, -1, 0))
    for name in ('west.png', 'west_mask.png'):
        (root / name).unlink()
    assert run('--bands', 3, 2, 1) == 0
    tile = array('tiles/img_dir/val/west_r0032_c0000.png')
    assert (tile[:, 8:] == pixels[32:, 8:32, 2::-1]).all() and (tile[:, :8] == (124, 116, 104)).all()
    label[:, :8] = 255
    assert (array('tiles/ann_dir/val/west_r0032_c0000.png') == label[32:, :32]).all()
    with rasterio.open(root / 'west_mask.tif', 'r+') as file:
        file.transform = rasterio.transform.from_origin(300001, 2800000, 0.5, 0.5)
    Path('tiles').rename('first')
    refused(capfd, 'west_mask.tif lies 2.0 pixels from its image')


def test_near_infrared_of_16_bits(root, capfd):
    (root / 'west.png').unlink()
    pixels = 1000 + 10 * scenes.photograph(64, 64, 4).astype(np.uint16)
    with rasterio.open(root / 'west.tif', 'w', driver='GTiff', height=64, width=64, dtype='uint16', count=4) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    scenes.write(root / 'north.png', scenes.photograph(64, 96, 4))
    for name in ('south', 'small'):
        (root / f'{name}.png').unlink()
        (root / f'{name}_mask.png').unlink()
    refused(capfd, 'west.tif is uint16, and tiles have 8 bits', '--bands', 4, 1, 2)
    low, high = np.percentile(pixels[..., [3, 0, 1]], (2, 98))
    refused(capfd, f'--range {low:g} {high:g} are the 2nd and 98th percentile', '--bands', 4, 1, 2)
    assert run('--bands', 4, 1, 2, '--range', 1000, 1000 + 2550) == 0
    expected = scenes.photograph(64, 64, 4)[:32, 32:, [3, 0, 1]]
    assert (array('tiles/img_dir/val/west_r0000_c0032.png') == expected).all()


def test_dubai_from_its_archive(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    sizes = {1: (643, 797), 2: (256, 256), 3: (20, 30), 4: (256, 300), 5: (260, 257), 6: (256, 256), 7: (521, 515), 8: (20, 40)}  # noqa: E501  # fmt: skip
    write_archive(tmp_path / 'archive', sizes)
    monkeypatch.setitem(KNOWN, 'dubai', replace(KNOWN['dubai'], sha256=None))  # it is not the published one
    assert cli.run(prepare_data.main, ['dubai', '-o', 'dubai', '--archive', 'archive']) == 0
    spec = read_dataset_yaml('dubai')
    assert (spec.name, spec.classes[0], spec.palette[0]) == ('dubai', 'building', (60, 16, 152))
    assert (spec.img_suffix, spec.scene) == ('.jpg', '^(t[0-9]+)_')
    check_folder('dubai', spec)
    split = {path.stem: path.parent.name for path in Path('dubai/img_dir').rglob('*.jpg')}
    assert {name[:2] for name, where in split.items() if where == 'val'} == {'t1', 't8'}
    assert sorted(name for name in split if name.startswith('t1_p001')) == [
        f't1_p001_r{row}_c{column}' for row in ('0000', '0194', '0387') for column in ('0000', '0270', '0541')
    ]
    assert [name for name in split if name.startswith('t7_p001')] == ['t7_p001_r0000_c0000']  # 260 x 257 when halved
    label = array('dubai/ann_dir/train/t7_p001_r0000_c0000.png')
    assert (label[:32] == 255).all() and (label[32:] == 3).all()  # 65 of 521 rows
    assert Image.open('dubai/img_dir/train/t5_p001_r0000_c0000.jpg').size == (256, 256)
    assert 'CC0' in capfd.readouterr().out
    assert cli.run(prepare_data.main, ['dubai', '-o', 'other', '--size', '128']) == 2  # how it is cut is no choice
