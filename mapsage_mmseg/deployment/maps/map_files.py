"""Files of a predicted scene: a class map with its colours, probabilities, and an overview."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from ...imagery import open_raster
from ...imagery.scene_reader import Scene
from ..predictor import Predictor
from .strip_store import STEPS, StripStore
from .strips import NO_CLASS

BLOCK = 512  # pixels: rows of a GeoTIFF that are written at once, and the side of its tiles
SIDE = 1024  # pixels: longest side of an overview


def write_map(path: Path, store: StripStore, scene: Scene, predictor: Predictor, facts: Mapping[str, str]) -> None:
    """Writes the class map: a palette PNG if ``path`` ends in ``.png``, else a GeoTIFF."""
    tags = dict(facts, **{f'class_{index}': name for index, name in enumerate(predictor.classes)})
    if path.suffix == '.png':
        _write_png(path, store, predictor, tags)
        return
    with _geotiff(path, scene, 1) as target:
        target.write_colormap(1, {**{i: (*c, 255) for i, c in enumerate(predictor.palette)}, NO_CLASS: (0, 0, 0, 0)})
        target.update_tags(**tags)
        target.set_band_description(1, 'class')
        for row, chunk in store.chunks('classes', BLOCK):
            target.write(chunk, 1, window=_rows(row, chunk))


def write_probabilities(
    path: Path, store: StripStore, scene: Scene, predictor: Predictor, facts: Mapping[str, str]
) -> None:
    """Writes a GeoTIFF with one band per class: bytes, 0 to 250 in steps of 0.004, 255 for nodata."""
    with _geotiff(path, scene, len(predictor.classes)) as target:
        target.update_tags(**facts)
        target.scales = [1 / STEPS] * len(predictor.classes)
        for index, name in enumerate(predictor.classes, 1):
            target.set_band_description(index, name)
        for row, chunk in store.chunks('probabilities', BLOCK):
            target.write(chunk, window=_rows(row, chunk[0]))


def write_overview(path: Path, classes: Path, scene: Scene, predictor: Predictor, facts: Mapping[str, str]) -> None:
    """Writes the scene beside the class map, each at most 1024 pixels on its longest side, with a legend below."""
    factor = min(1.0, SIDE / max(scene.height, scene.width))
    height, width = (max(1, round(length * factor)) for length in (scene.height, scene.width))
    with open_raster(classes, colours=False) as source:
        small = source.read_small(height, width, (1,))[..., 0]
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(predictor.palette)] = predictor.palette
    picture = Image.new('RGB', (2 * width + 8, height + 22 * len(predictor.classes) + 8), 'white')
    picture.paste(Image.fromarray(scene.thumbnail(height, width)), (0, 0))
    picture.paste(Image.fromarray(colours[small]), (width + 8, 0))
    draw = ImageDraw.Draw(picture)
    shares = np.bincount(small.ravel(), minlength=256) / max(1, int((small != NO_CLASS).sum()))
    for index, name in enumerate(predictor.classes):
        top = height + 8 + 22 * index
        draw.rectangle((4, top, 20, top + 16), fill=predictor.palette[index], outline='black')
        draw.text((28, top + 2), f'{name}  {100 * shares[index]:.1f} %', fill='black')
    picture.save(path, quality=90, comment=json.dumps(facts).encode())


def _write_png(path: Path, store: StripStore, predictor: Predictor, tags: Mapping[str, str]) -> None:
    picture = Image.fromarray(np.concatenate([chunk for _, chunk in store.chunks('classes', BLOCK)]))
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(predictor.palette)] = predictor.palette
    picture.putpalette(colours.tobytes())
    text = PngInfo()
    for key, value in tags.items():
        text.add_text(key, value)
    picture.save(path, format='PNG', pnginfo=text, transparency=NO_CLASS)


def _geotiff(path: Path, scene: Scene, count: int) -> Any:
    """Opens a GeoTIFF of bytes with the georeference of the scene."""
    profile = dict(
        driver='GTiff',
        dtype='uint8',
        count=count,
        height=scene.height,
        width=scene.width,
        nodata=NO_CLASS,
        tiled=True,
        blockxsize=BLOCK,
        blockysize=BLOCK,
        interleave='band',
        compress='deflate',
        bigtiff='if_safer',
    )
    source = scene.raster.data
    if source.gcps[0]:
        # rasterio accepts no crs=None with control points
        crs = source.gcps[1] or rasterio.crs.CRS()
        target = rasterio.open(path, 'w', **profile, gcps=source.gcps[0], crs=crs)
    else:
        target = rasterio.open(path, 'w', **profile, crs=scene.raster.crs, transform=scene.raster.transform)
    if source.rpcs is not None:
        target.rpcs = source.rpcs
    return target


def _rows(row: int, chunk: NDArray[np.uint8]) -> Any:
    height, width = chunk.shape
    return rasterio.windows.Window(0, row, width, height)


def publish(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Renames finished files to their final names, each atomically, in the given order."""
    for written, final in pairs:
        with open(written, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(written, final)
