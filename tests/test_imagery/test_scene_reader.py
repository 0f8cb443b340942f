"""Which pixels of a scene hold data."""

import numpy as np
import pytest
import rasterio

from mapsage_mmseg.commands import cli, predict
from mapsage_mmseg.imagery import Bands
from mapsage_mmseg.imagery.scene_reader import Scene
from tests.scenes import write_geotiff

FOUR = Bands((1, 2, 3, 4), (100.0,) * 4, (50.0,) * 4)


@pytest.fixture
def with_infrared():
    """Four bands, (64, 64, 4): near infrared is 0 in the upper half, all are 0 at row 40, column 2."""
    pixels = np.full((64, 64, 4), (10, 200, 20, 90), np.uint8)
    pixels[:32, :, 3] = 0
    pixels[40, 2] = 0
    return pixels


def known(path, **options):
    with Scene(path, **options) as scene:
        return scene.read(0, 0, 64, 64)[1], scene.alpha


@pytest.mark.parametrize('marks', [{}, dict(photometric='RGB', alpha='NO')], ids=['as alpha', 'as nothing'])
@pytest.mark.parametrize('nodata', [None, 0])
def test_a_band_that_the_model_reads_is_no_mask(tmp_path, with_infrared, nodata, marks):
    path = write_geotiff(tmp_path / 'a.tif', with_infrared, nodata=nodata, **marks)
    expected = np.ones((64, 64), bool)
    expected[40, 2] = nodata is None
    for options in (dict(wanted=FOUR), dict(bands=[4, 1, 2])):
        found, alpha = known(path, **options)
        assert np.array_equal(found, expected) and alpha is None


def test_alpha_beside_the_bands_of_the_model_hides_and_is_said(tmp_path, with_infrared, by_colour, capfd):
    path = write_geotiff(tmp_path / 'a.tif', with_infrared)
    found, alpha = known(path)
    assert np.array_equal(found, with_infrared[..., 3] > 0) and alpha == 4
    assert cli.run(predict.main, ['model', str(path), '-o', str(tmp_path / 'out')]) == 0
    (line,) = capfd.readouterr().err.splitlines()
    # 32 rows of 64 pixels and one pixel more, of 4096
    assert 'a.tif: band 4 passes for transparency (alpha) and hides 50 % of the scene' in line
    assert 'gdal_translate -b 1 -b 2 -b 3 leaves it out' in line
    with rasterio.open(tmp_path / 'out/a.tif') as classes:
        assert np.array_equal(classes.read(1), np.where(found, 1, 255))


def test_alpha_that_hides_nothing_is_not_worth_a_line(tmp_path, with_infrared, by_colour, capfd):
    with_infrared[..., 3] = 255
    path = write_geotiff(tmp_path / 'a.tif', with_infrared)
    assert cli.run(predict.main, ['model', str(path), '-o', str(tmp_path / 'out')]) == 0
    assert not capfd.readouterr().err


@pytest.mark.parametrize('nodata', [None, np.nan, -1])
def test_values_that_are_no_number_are_no_data(tmp_path, by_colour, nodata):
    pixels = np.full((64, 64, 4), (10, 20, 200, 90), np.float32)
    pixels[3, 5, 0], pixels[4, 6, 1], pixels[5, 7] = np.nan, np.inf, np.nan
    pixels[6, 8, 3] = np.nan  # in a band that is not read
    path = write_geotiff(tmp_path / 'a.tif', pixels, nodata=nodata, photometric='MINISBLACK')
    expected = np.ones((64, 64), bool)
    expected[[3, 4, 5], [5, 6, 7]] = False
    assert np.array_equal(known(path, bands=[1, 2, 3], span=(0, 255))[0], expected)
    expected[6, 8] = False
    assert np.array_equal(known(path, wanted=FOUR)[0], expected)
    command = ['model', str(path), '-o', str(tmp_path / 'out'), '--range', '0', '255']
    assert cli.run(predict.main, command) == 0
    with rasterio.open(tmp_path / 'out/a.tif') as classes:
        expected[6, 8] = True
        assert np.array_equal(classes.read(1), np.where(expected, 2, 255))
