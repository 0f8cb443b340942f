"""Where outlines lie, by whichever means a scene says it; and scenes of which there are none."""

import json

import numpy as np
import pytest
import rasterio

from mapsage_mmseg.commands import cli, predict
from tests.scenes import write_geotiff

RED = np.full((64, 64, 3), (200, 10, 10), np.uint8)
CORNERS = ((0, 0, 55.0, 25.0), (0, 64, 55.64, 25.0), (64, 0, 55.0, 24.36), (64, 64, 55.64, 24.36))
POINTS = [rasterio.control.GroundControlPoint(*corner) for corner in CORNERS]
LINE = [rasterio.control.GroundControlPoint(at, at, 55 + at / 100, 25 - at / 100) for at in (0, 32, 64)]
PLAIN = rasterio.transform.from_origin(0, 0, 1, 1)
LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
RPC = rasterio.rpc.RPC(
    height_off=0, height_scale=1, lat_off=25, lat_scale=1, line_off=32, line_scale=32, long_off=55, long_scale=1,
    samp_off=32, samp_scale=32, line_num_coeff=[0, 0, -1] + [0] * 17, line_den_coeff=[1] + [0] * 19,
    samp_num_coeff=[0, 1] + [0] * 18, samp_den_coeff=[1] + [0] * 19, err_bias=None, err_rand=None,
)  # fmt: skip


def outlines(tmp_path, **profile):
    write_geotiff(tmp_path / 'scene.tif', RED, **profile)
    return cli.run(predict.main, ['model', str(tmp_path / 'scene.tif'), '-o', str(tmp_path / 'out'), '--polygons'])


def box(tmp_path):
    """West, south, east and north of the one outline."""
    (feature,) = json.loads((tmp_path / 'out/scene.geojson').read_text())['features']
    points = np.array(feature['geometry']['coordinates'][0])
    return [*points.min(0), *points.max(0)]


@pytest.mark.parametrize('crs', ['EPSG:4326', None])
def test_control_points_place_outlines_with_or_without_a_coordinate_system(tmp_path, by_colour, crs):
    assert outlines(tmp_path, gcps=POINTS, crs=crs or rasterio.crs.CRS()) == 0
    np.testing.assert_allclose(box(tmp_path), [55.0, 24.36, 55.64, 25.0], atol=1e-7)
    with rasterio.open(tmp_path / 'out/scene.tif') as found:
        assert [(point.row, point.col, point.x, point.y) for point in found.gcps[0]] == list(CORNERS)
        assert found.gcps[1] == (rasterio.crs.CRS.from_user_input(crs) if crs else None)


def test_control_points_of_a_projection_give_longitude_and_latitude(tmp_path, by_colour):
    """UTM zone 40 has its central meridian, at 500 km, on 57 degrees east."""
    points = [
        rasterio.control.GroundControlPoint(row, column, 500000 + 10 * column, -10 * row)
        for row in (0, 64)
        for column in (0, 64)
    ]
    assert outlines(tmp_path, gcps=points, crs='EPSG:32640') == 0
    west, south, east, north = box(tmp_path)
    assert (west, north) == (57, 0)
    metres = 640 / 0.9996  # the scale on that meridian; a degree on the equator is 111319.49 m, northwards 110574.3 m
    np.testing.assert_allclose([(east - west) * 111319.49, (north - south) * 110574.3], metres, rtol=1e-4)


@pytest.mark.parametrize(
    ('profile', 'message'),
    [
        (dict(rpcs=RPC), 'says by RPCs alone where it lies'),
        (dict(gcps=LINE, crs='EPSG:4326'), 'has control points on one line'),
        (dict(crs=LOCAL, transform=PLAIN), 'its coordinate system gives no longitude and latitude where it lies'),
        (
            dict(crs='EPSG:32633', transform=rasterio.transform.from_origin(5e12, 5e12, 1000, 1000)),
            'its coordinate system gives no longitude and latitude where it lies',
        ),
    ],
    ids=['RPCs', 'points on a line', 'a local system', 'beyond the projection'],
)
def test_scenes_whose_outlines_cannot_be_placed_are_refused_before_the_work(
    tmp_path, by_colour, capfd, profile, message
):
    assert outlines(tmp_path, **profile) == 2
    error = capfd.readouterr().err
    assert message in error and 'leave out --polygons' in error and len(error.splitlines()) == 1
    assert not (tmp_path / 'out').exists()
    assert cli.run(predict.main, ['model', str(tmp_path / 'scene.tif'), '-o', str(tmp_path / 'out')]) == 0
