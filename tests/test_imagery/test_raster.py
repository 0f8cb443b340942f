"""Windows of files."""

import numpy as np
import pytest
import rasterio
from PIL import ExifTags, Image

from mapsage_mmseg.datasets.prepare.preparing import Cutting, chosen_bands
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import Window, open_raster
from mapsage_mmseg.imagery.scene_reader import Scene
from tests import scenes

WINDOW = Window(3, 5, 20, 30)
ALL = (1, 2, 3)


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.TIFF'])
def test_a_window(tmp_path, name):
    pixels = scenes.photograph(40, 60)
    file = scenes.write(tmp_path / name, pixels)
    with open_raster(file) as raster:
        assert (raster.height, raster.width, raster.bands, raster.dtype) == (40, 60, 3, np.uint8)
        assert (raster.read(WINDOW, ALL) == pixels[WINDOW.slices]).all()
        assert (raster.read(WINDOW, (3, 1)) == pixels[WINDOW.slices][..., [2, 0]]).all()
        assert raster.read_known(WINDOW, ALL)[1] is None and raster.place is None


def test_a_palette_is_read_as_numbers_or_as_colours(tmp_path):
    label = scenes.blocks(40, 60)
    for name in ('a.png', 'a.tif'):
        picture = Image.fromarray(label, mode='P')
        picture.putpalette(scenes.painted(np.arange(256, dtype=np.uint8)[None]).tobytes())
        picture.save(tmp_path / name)
        with open_raster(tmp_path / name, colours=False) as raster:
            assert raster.bands == 1
            assert (raster.read(WINDOW, (1,))[..., 0] == label[WINDOW.slices]).all()
        with open_raster(tmp_path / name, colours=True) as raster:
            assert raster.bands == 3
            assert (raster.read(WINDOW, ALL) == scenes.painted(label)[WINDOW.slices]).all()


def test_transparency_is_no_picture(tmp_path):
    pixels = scenes.photograph(40, 60, bands=4)
    pixels[..., 3] = 255
    pixels[:10, :, 3] = 0
    for name in ('a.png', 'a.tif'):
        with open_raster(scenes.write(tmp_path / name, pixels)) as raster:
            assert raster.bands == 4
            assert (raster.read_known(WINDOW, ALL)[1] == (pixels[..., 3] > 0)[WINDOW.slices]).all()
            assert raster.hides(ALL) == 4 and raster.hides((4, 1, 2)) is None
            assert raster.read_known(WINDOW, (4, 1, 2))[1] is None  # it was asked for: near infrared, not transparency


def test_a_tag_that_turns_it(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[24:] = 255
    for orientation in (None, 1, 6):
        exif = Image.Exif()
        if orientation:
            exif[ExifTags.Base.Orientation] = orientation
        Image.fromarray(pixels).save(tmp_path / 'a.jpg', exif=exif, quality=100)
        with open_raster(tmp_path / 'a.jpg') as raster:
            assert raster.turned == (orientation == 6) and (raster.height, raster.width) == (40, 60)  # as stored
            assert (
                raster.read(Window(0, 7, 16, 40), ALL).max() < 9 and raster.read(Window(32, 7, 8, 40), ALL).min() > 246
            )


def test_other_kinds(tmp_path):
    grey = scenes.photograph(40, 60, 1)[..., 0]
    with open_raster(scenes.write(tmp_path / 'grey.png', grey)) as raster:
        assert raster.bands == 1 and (raster.read(WINDOW, (1,))[..., 0] == grey[WINDOW.slices]).all()
    with open_raster(scenes.write(tmp_path / 'bits.png', grey > 100)) as raster:
        assert raster.dtype == np.uint8
        assert (raster.read(WINDOW, (1,))[..., 0] == (grey > 100)[WINDOW.slices]).all()
    with open_raster(scenes.write(tmp_path / 'deep.tif', grey.astype(np.uint16) * 256)) as raster:
        assert raster.dtype == np.uint16 and raster.read(WINDOW, (1,)).max() == 256 * int(grey[WINDOW.slices].max())
    Image.fromarray(scenes.photograph(40, 60)).convert('CMYK').save(tmp_path / 'cmyk.jpg')
    with open_raster(tmp_path / 'cmyk.jpg') as raster:
        assert (raster.bands, raster.read(WINDOW, ALL).shape) == (3, (20, 30, 3))


def test_half_the_size(tmp_path):
    pixels = np.array([[0, 4, 9, 9], [8, 0, 9, 1], [5, 5, 0, 0], [5, 5, 2, 2]], np.uint8)
    file, whole = scenes.write(tmp_path / 'a.png', pixels), Window(0, 0, 2, 2)
    with open_raster(file, shrink=2) as raster:
        assert (raster.height, raster.width) == (2, 2)
        assert raster.read(whole, (1,))[..., 0].tolist() == [[3, 7], [5, 1]]  # means of 2 x 2
    with open_raster(file, shrink=2, smooth=False) as raster:
        assert raster.read(whole, (1,))[..., 0].tolist() == [[0, 1], [5, 2]]  # one of them
    with open_raster(scenes.write(tmp_path / 'odd.png', scenes.photograph(2061, 7)), shrink=2) as raster:
        assert (raster.height, raster.width) == (1030, 3)


def refused(message, path, read=False):
    with pytest.raises(InputError) as caught, open_raster(path) as raster:
        if read:
            raster.read(Window(0, 0, raster.height, raster.width), ALL)
    assert message in str(caught.value) and '\n' not in str(caught.value)


def test_damaged_files(tmp_path):
    for name in ('a.png', 'a.tif', 'a.jpg'):
        (tmp_path / name).write_bytes(b'nothing')
        refused(f'{name} cannot be read', tmp_path / name)
        file = scenes.write(tmp_path / f'cut_{name}', scenes.photograph(400, 400))
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        refused('cannot be read', file, read=True)


def test_a_geotiff(tmp_path):
    pixels = scenes.photograph(40, 60, bands=5, dtype=np.uint16)
    pixels[:, :10] = 9
    profile = dict(
        driver='GTiff', height=40, width=60, count=5, dtype='uint16', tiled=True, blockxsize=16, blockysize=16
    )
    profile.update(crs='EPSG:32640', transform=rasterio.transform.from_origin(300000, 2800000, 0.5, 0.5), nodata=9)
    with rasterio.open(tmp_path / 'a.tif', 'w', **profile) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    with open_raster(tmp_path / 'a.tif') as raster:
        assert raster.place == ('EPSG:32640', (0.5, 0.0, 300000.0, 0.0, -0.5, 2800000.0))
        assert (raster.read(WINDOW, (5, 1)) == pixels[WINDOW.slices][..., [4, 0]]).all()
        assert (raster.read_known(WINDOW, (5, 1))[1] == (np.arange(5, 35) >= 10)).all()


@pytest.mark.parametrize(
    ('marks', 'rgb'), [(('blue', 'green', 'red', 'undefined'), (3, 2, 1)), (('gray',) * 4, (1, 2, 3))]
)
def test_red_green_and_blue_are_those_that_are_marked_so(tmp_path, marks, rgb):
    """In tiles as in prediction."""
    pixels = scenes.photograph(40, 60, bands=4)
    with rasterio.open(tmp_path / 'a.tif', 'w', driver='GTiff', height=40, width=60, count=4, dtype='uint8') as file:
        file.colorinterp = [rasterio.enums.ColorInterp[name] for name in marks]
        file.write(np.moveaxis(pixels, -1, 0))
    with open_raster(tmp_path / 'a.tif') as raster, Scene(tmp_path / 'a.tif') as scene:
        assert raster.rgb == tuple(scene.bands) == rgb
        assert chosen_bands(raster, Cutting()) == rgb
