"""Reading of uploaded pictures; their size is checked before they are decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...imagery import Bands
from ...imagery.scene_reader import Scene

SMALLEST = 32  # pixels of a side: the minimum of an exported graph
LARGEST = 2048 * 2048  # pixels
MOST_BYTES = 256 * 2**20  # memory that a file may need at once, for many bands or huge blocks


def read_upload(
    path: Path,
    bands: Sequence[int] | None = None,
    span: tuple[float, float] | None = None,
    largest: int = LARGEST,
    wanted: Bands | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Reads a picture of one of the formats of :mod:`~mapsage_mmseg.imagery.formats`.

    Args:
        path: Path of the file. Messages name it without its folder.
        bands, span, wanted: As for :class:`~mapsage_mmseg.imagery.scene_reader.Scene`.
        largest: Largest number of pixels.

    Returns:
        The image as model input, RGB (H, W, 3), uint8, or (H, W, B), float32; and which pixels hold data (H, W).

    Raises:
        InputError: The file is not such a picture, is damaged, too small or too large; or as for ``Scene``.
    """
    try:
        with Scene(path, bands, span, wanted) as scene:
            _check(scene, largest)
            return scene.read(0, 0, scene.height, scene.width)
    except InputError as error:
        raise InputError(str(error).replace(f'{path.parent}/', '')) from error


def _check(scene: Scene, largest: int) -> None:
    size = f'{scene.path} has {scene.width} x {scene.height} pixels'
    if min(scene.height, scene.width) < SMALLEST:
        raise InputError(f'{size}; {SMALLEST} on each side are the least')
    if scene.height * scene.width > largest:
        raise InputError(f'{size}, above the {largest} in all that are taken here; tools/predict.py takes any size')
    if scene.block_bytes() > MOST_BYTES:
        raise InputError(
            f'{scene.path} has {scene.raster.data.count} bands in blocks too large to read here; tile it first'
        )
