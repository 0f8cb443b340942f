"""A class map as outlines."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from .bands import NO_CLASS
from .predictor import Predictor
from .products import MEMBER
from .scene import rasterio, silent

MANY = 1000  # outlines that are projected at once


def write_polygons(path: Path, classes: Path, predictor: Predictor, facts: Mapping[str, str]) -> int:
    """Writes GeoJSON: one feature for each connected area of a class, with ``class`` and ``value``.

    Coordinates are longitude and latitude (WGS 84), as GeoJSON wants them; of a map without a coordinate system its
    own, and of one that lies nowhere (column, row). The whole map is held in memory.

    Returns:
        How many features.
    """
    library, count = rasterio(), 0
    with silent(), library.open(classes) as source, open(path, 'w', encoding='utf-8') as file:
        values = source.read(1)
        shapes = library.features.shapes(values, mask=values != NO_CLASS, transform=source.transform)
        file.write(f'{{"type": "FeatureCollection", "{MEMBER}": {json.dumps(facts)}, "features": [')
        while some := list(islice(shapes, MANY)):
            outlines = [outline for outline, _ in some]
            if source.crs:
                outlines = library.warp.transform_geom(source.crs, 'EPSG:4326', outlines, precision=8)
            for outline, (_, value) in zip(outlines, some, strict=True):
                named = {'class': predictor.classes[int(value)], 'value': int(value)}
                feature = dict(type='Feature', properties=named, geometry=outline)
                file.write((',\n' if count else '\n') + json.dumps(feature))
                count += 1
        file.write('\n]}\n')
    return count
