"""What the data tool says of scenes that it takes all the same, and which of their pixels it ignores."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from PIL import ExifTags, Image

from mapsage_mmseg.commands import cli, prepare_data
from tests import scenes

pytestmark = pytest.mark.filterwarnings('error::RuntimeWarning')
SIZES = {'north': (64, 64), 'west': (64, 64)}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return scenes.write_scenes(tmp_path / 'scenes', SIZES, scenes.AS_NUMBERS)


@pytest.fixture
def run(root, capfd):
    """Runs the tool; gives its status and what it said, by lines."""

    def run(*arguments):
        status = cli.run(prepare_data.main, ['scenes', '--size', '32', '--val', 'west', '-o', 'tiles', *arguments])
        said, error = capfd.readouterr()
        assert 'Traceback' not in error, error
        return status, (said if status == 0 else error).splitlines()

    return run


def labels(name):
    return np.asarray(Image.open(next(Path('tiles/ann_dir').rglob(f'{name}.png'))))


def write_tif(file, pixels, **profile):
    file.with_suffix('.png').unlink()
    height, width, count = pixels.shape
    profile.update(transform=rasterio.transform.from_origin(300000, 2800000, 0.5, 0.5))
    with rasterio.open(
        file, 'w', driver='GTiff', height=height, width=width, count=count, dtype=pixels.dtype, **profile
    ) as target:
        target.write(np.moveaxis(pixels, -1, 0))


@pytest.mark.parametrize('nodata', [None, -1])
@pytest.mark.parametrize('arguments', [['--range', '0', '800'], ['--format', 'tif']])
def test_pixels_without_a_number_are_no_picture(root, run, nodata, arguments):
    for name in SIZES:
        pixels = scenes.photograph(64, 64).astype(np.float32)
        pixels[:5] = np.nan
        pixels[10, 20, 1] = np.nan  # one of the bands is enough
        pixels[20, 10] = np.inf
        if nodata is not None:
            pixels[30] = nodata
        write_tif(root / f'{name}.tif', pixels, nodata=nodata)
    assert run(*arguments)[0] == 0
    expected = scenes.blocks(64, 64)
    expected[:5] = expected[10, 20] = expected[20, 10] = 255
    if nodata is not None:
        expected[30] = 255
    assert (labels('north_r0000_c0000') == expected[:32, :32]).all()


def test_where_there_is_no_number_no_range_is_proposed(root, run):
    write_tif(root / 'north.tif', np.full((64, 64, 3), np.nan, np.float32))
    status, (line,) = run()
    assert status == 2 and line.endswith('--range LOW HIGH (none is proposed: there is no number in its middle)')


def test_a_range_is_proposed_by_what_is_a_picture(root, run):
    pixels = np.full((64, 64, 1), -9999, np.float32)
    pixels[:32], pixels[0], pixels[1] = 7, np.nan, np.inf
    write_tif(root / 'north.tif', pixels, nodata=-9999)
    status, (line,) = run()
    assert status == 2 and '--range 7 7 are the 2nd and 98th percentile' in line


@pytest.mark.parametrize('ends', [('0', 'inf'), ('nan', 'nan')])
def test_a_range_has_two_ends(run, ends):
    status, (line,) = run('--range', *ends)
    assert status == 2 and f'--range {" ".join(ends)} must be two finite numbers' in line


@pytest.mark.parametrize('bands', [[], ['--bands', '1', '2', '3'], ['--bands', '4', '1', '2']])
def test_a_fourth_band_that_hides_pixels(root, run, bands):
    """Of 128 rows in both scenes 16 are 0 in the fourth band, which GDAL marks as alpha by itself."""
    pixels = scenes.photograph(64, 64, 4)
    pixels[..., 3] = 200
    write_tif(root / 'west.tif', pixels)
    pixels[:16, :, 3] = 0
    write_tif(root / 'north.tif', pixels)
    status, said = run(*bands)
    line = (
        'warning: band 4 was taken for transparency and hid 12.5% of the pixels; if it is a picture, such as near '
        'infrared, keep it with --format tif, or choose it among --bands'
    )
    assert status == 0 and (line in said) == ('4' not in bands)
    assert (labels('north_r0000_c0000')[1:16] == 255).all() == ('4' not in bands)


def test_a_fourth_band_that_hides_all(root, run):
    pixels = scenes.photograph(64, 64, 4)
    pixels[..., 3] = 0
    scenes.write(root / 'west.png', pixels)
    status, (line,) = run()
    assert status == 2 and line.startswith('error: val: none of 4 tiles holds a class')
    assert '; band 4 was taken for transparency and hid 100.0% of the pixels' in line


def test_a_picture_that_viewers_turn(root, run):
    for name, orientation in (('north', 3), ('west', 1)):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        picture = Image.open(root / f'{name}.png')
        (root / f'{name}.png').unlink()
        picture.save(root / f'{name}.jpg', exif=exif)
    status, said = run()
    (line,) = [line for line in said if 'EXIF' in line]
    assert status == 0 and line.startswith('warning: scenes/north.jpg: an EXIF tag has viewers turn or mirror it')


def test_scenes_of_a_few_pixels(root, run):
    scenes.write_scenes(root, {'a': (31, 64), 'b': (1, 1), 'c': (32, 32)}, scenes.AS_NUMBERS)
    status, said = run()
    (line,) = [line for line in said if 'little use' in line]
    assert status == 0 and line.startswith('warning: scenes/a.png and 1 more: less than 32 pixels a side')
    for name in 'ab':
        (root / f'{name}.png').unlink()
        (root / f'{name}_mask.png').unlink()
    status, said = run('-o', 'more')
    assert status == 0 and not [line for line in said if 'warning' in line]


def test_what_is_left_out(root, run):
    (root / 'b.tif').mkdir()
    scenes.write(root / 'spare_mask.png', scenes.blocks(64, 64))
    scenes.write(root / 'other_mask.png', scenes.blocks(64, 64))
    status, said = run()
    assert status == 0 and said[:2] == [
        'Masks without an image, left out: scenes/other_mask.png and 1 more.',
        'Folders that are called like images, and searched, not read: scenes/b.tif.',
    ]


def test_classes_that_do_not_exist(run):
    status, (line,) = run('--classes', 'nowhere.yaml')
    assert status == 2 and line.startswith('error: --classes nowhere.yaml does not exist; expected a file with')


def test_a_link_to_an_empty_folder_is_filled(root, run):
    (root.parent / 'disk').mkdir()
    Path('tiles').symlink_to('disk')
    status, said = run()
    assert status == 0 and Path('tiles').is_symlink() and Path('disk/dataset.yaml').is_file()
    assert Path('disk/dataset.yaml').read_text().startswith('name: tiles\n')


def test_what_finds_a_scene_is_written_down(run):
    assert run('--scene', '^([a-z])', '--val', 'w')[0] == 0
    assert yaml.safe_load(Path('tiles/dataset.yaml').read_text())['scene'] == '^([a-z])'
