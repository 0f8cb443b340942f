"""Checks that an image and its mask show the same ground."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ...imagery import Raster

SIDE_BY_SIDE = 0.5  # tolerance in pixels


def check_place(image: Raster, mask: Raster) -> None:
    """Checks that image and mask have the same coordinate system and the same corners.

    A file without a georeference is assumed to lie where the other does. A file that does not name its coordinate
    system is assumed to use the other's.

    Raises:
        InputError: They lie apart, or have different coordinate systems.
    """
    if image.place is None or mask.place is None:
        return
    (system, here), (other, there) = image.place, mask.place
    if system is not None and other is not None and system != other:
        raise InputError(
            f'{mask.path} has the coordinate system {_name(other)}; expected {_name(system)}, as its image '
            f'{image.path} has (gdalwarp brings it there; where no more than its name is wrong, rio edit-info --crs)'
        )
    apart = pixels_apart(here, there, image.height, image.width)
    if apart > SIDE_BY_SIDE:
        raise InputError(
            f'{mask.path} lies {apart:.1f} pixels from its image {image.path} on the ground; expected both to cover '
            'the same (gdalwarp aligns them)'
        )


def pixels_apart(here: Sequence[float], there: Sequence[float], height: int, width: int) -> float:
    """Returns the largest offset of a corner along rows or columns, rounded to a thousandth of a pixel of ``here``.

    Args:
        here, there: The six coefficients of each transform, as in ``place`` of :class:`~mapsage_mmseg.imagery.Raster`.
        height, width: Size of both, in pixels.
    """
    moved = (np.array(there) - np.array(here)).reshape(2, 3)
    corners = np.array([(0, width, 0, width), (0, 0, height, height), (1, 1, 1, 1)])
    pixel = np.array(here).reshape(2, 3)[:, :2]
    return round(float(np.abs(np.linalg.pinv(pixel) @ moved @ corners).max()), 3)


def _name(system: Any) -> str:
    name = str(system)  # such as EPSG:32640; without a code, the whole definition
    return name if len(name) <= 80 else f'{name[:77]}...'
