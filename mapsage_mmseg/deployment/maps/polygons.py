"""Outlines of a class map."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import rasterio.warp

from ...errors import InputError
from ...imagery import open_raster
from ...imagery.scene_reader import Scene
from ..predictor import Predictor
from .products import MEMBER
from .strips import NO_CLASS

MANY = 1000  # outlines that are projected at once
TRIED = 5  # points per side of the scene that are projected as a check before the work
LEAVE_OUT = 'leave out --polygons'


def write_polygons(path: Path, classes: Path, scene: Scene, predictor: Predictor, facts: Mapping[str, str]) -> int:
    """Writes GeoJSON: one feature for each connected area of a class, with ``class`` and ``value``.

    Coordinates are longitude and latitude (WGS 84), as GeoJSON requires. A scene without a coordinate system keeps its
    own coordinates, and one without a georeference has (column, row). The whole map is held in memory.

    Returns:
        Number of features.

    Raises:
        InputError: As :func:`place`.
    """
    count = 0
    transform, crs = place(scene)
    with open_raster(classes, colours=False) as source, open(path, 'w', encoding='utf-8') as file:
        values = source.data.read(1)
        shapes = rasterio.features.shapes(values, mask=values != NO_CLASS, transform=transform)
        file.write(f'{{"type": "FeatureCollection", "{MEMBER}": {json.dumps(facts)}, "features": [')
        while some := list(islice(shapes, MANY)):
            outlines = _degrees(scene, crs, [outline for outline, _ in some])
            for outline, (_, value) in zip(outlines, some, strict=True):
                named = {'class': predictor.classes[int(value)], 'value': int(value)}
                feature = dict(type='Feature', properties=named, geometry=outline)
                file.write((',\n' if count else '\n') + json.dumps(feature))
                count += 1
        file.write('\n]}\n')
    return count


def place(scene: Scene) -> tuple[Any, Any]:
    """Returns how outlines of a scene are placed: the transform of its pixels, and the coordinate system of the result.

    For ground control points, it is the affine transform that fits them best.

    Raises:
        InputError: There is no transform, because the scene has only RPCs, or control points on one line; or its
            coordinate system has no longitude and latitude there.
    """
    data = scene.raster.data
    points, crs = data.gcps
    if points:
        if np.linalg.matrix_rank([(point.row, point.col, 1) for point in points]) < 3:
            raise InputError(f'{scene.path} has control points on one line, which place no outlines; {LEAVE_OUT}')
        transform = rasterio.transform.from_gcps(points)
    elif data.rpcs is not None and scene.raster.transform.is_identity:
        raise InputError(
            f'{scene.path} says by RPCs alone where it lies, which place no outlines; {LEAVE_OUT}, or rectify it first '
            '(gdalwarp -rpc)'
        )
    else:
        transform, crs = scene.raster.transform, scene.raster.crs
    rows, columns = np.meshgrid(np.linspace(0, scene.height, TRIED), np.linspace(0, scene.width, TRIED))
    x, y = rasterio.transform.xy(transform, rows.ravel(), columns.ravel(), offset='ul')
    _degrees(scene, crs, [dict(type='MultiPoint', coordinates=list(zip(x, y, strict=True)))])
    return transform, crs


def _degrees(scene: Scene, crs: Any, outlines: list[Any]) -> list[Any]:
    if not crs:
        return outlines
    try:
        return rasterio.warp.transform_geom(crs, 'EPSG:4326', outlines, precision=8)
    except Exception as error:  # includes GDAL's own exceptions, whose classes rasterio does not export
        raise InputError(
            f'{scene.path}: its coordinate system gives no longitude and latitude where it lies, which outlines are '
            f'in; {LEAVE_OUT}, or correct the coordinate system (gdal_edit.py -a_srs)'
        ) from error
