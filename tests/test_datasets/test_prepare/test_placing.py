"""An image and its mask on the ground, by the corners of both."""

import numpy as np
import pytest
import rasterio

from mapsage_mmseg.datasets.prepare.placing import check_place, pixels_apart
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import open_raster

NORTH = (0.5, 0, 300000, 0, -0.5, 2800000)  # half a metre a pixel, rows to the south
TURNED = (0, -0.5, 300000, -0.5, 0, 2800000)  # by a quarter about the first corner, at the same scale
SHEARED = (0.5, 0.3, 300000, 0.3, -0.5, 2800000)
UPRIGHT = (1, 0, 0, 0, -1, 0)  # how programs write pixels that lie nowhere


@pytest.mark.parametrize(
    ('there', 'expected'),
    [
        (NORTH, 0),
        ((0.5, 0, 300000.25, 0, -0.5, 2800000.25), 0.5),  # along columns and along rows
        ((0.5, 0, 300000, 0, -0.5, 2799990), 20),
        ((0.51, 0, 300000, 0, -0.5, 2800000), 1.2),  # 60 columns of 0.01 m more
        (SHEARED, 36),  # 60 columns rise by 0.3 m each
        (TURNED, 100),  # from column 60, row 40 to column -40, row 60
    ],
)
def test_by_hand(there, expected):
    assert pixels_apart(NORTH, there, height=40, width=60) == expected


@pytest.fixture
def check(tmp_path):
    """Compares an image and a mask, each with its coordinate system and transform."""

    def write(name, system, transform):
        place = dict(crs=system, transform=transform and rasterio.Affine(*transform))
        profile = dict(driver='GTiff', height=40, width=60, count=1, dtype='uint8')
        with rasterio.open(tmp_path / name, 'w', **profile, **place) as file:
            file.write(np.zeros((1, 40, 60), np.uint8))
        return open_raster(tmp_path / name)

    def compare(image, mask):
        with write('a.tif', *image) as one, write('a_mask.tif', *mask) as other:
            check_place(one, other)

    return compare


@pytest.mark.filterwarnings('ignore:.*no geotransform')
@pytest.mark.parametrize(
    ('image', 'mask'),
    [
        (('EPSG:32640', NORTH), ('EPSG:32640', NORTH)),
        (('EPSG:32640', NORTH), ('+proj=utm +zone=40 +datum=WGS84', NORTH)),  # the same in other words
        (('EPSG:32640', TURNED), ('EPSG:32640', TURNED)),
        (('EPSG:32640', NORTH), (None, None)),
        (('EPSG:32640', NORTH), (None, UPRIGHT)),
        (('EPSG:32640', NORTH), (None, NORTH)),
        ((None, None), (None, UPRIGHT)),
        ((None, NORTH), (None, NORTH)),
    ],
)
def test_what_fits(check, image, mask):
    assert check(image, mask) is None


@pytest.mark.filterwarnings('ignore:.*no geotransform')
@pytest.mark.parametrize(
    ('image', 'mask', 'message'),
    [
        (('EPSG:32640', NORTH), ('EPSG:32640', TURNED), 'a_mask.tif lies 100.0 pixels from its image'),
        (('EPSG:32640', NORTH), ('EPSG:32640', SHEARED), 'a_mask.tif lies 36.0 pixels from its image'),
        (('EPSG:32640', NORTH), ('EPSG:4326', NORTH), 'has the coordinate system EPSG:4326; expected EPSG:32640'),
        ((None, NORTH), (None, (0.5, 0, 300500, 0, -0.5, 2800000)), 'lies 1000.0 pixels from its image'),
        (('EPSG:32640', NORTH), (None, (0.5, 0, 300500, 0, -0.5, 2800000)), 'lies 1000.0 pixels from its image'),
    ],
)
def test_what_does_not(check, image, mask, message):
    with pytest.raises(InputError, match=message):
        check(image, mask)
