"""Which pixels of an image show something."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..rasters import Raster, Window

MIDDLE = 512  # pixels of a side, from which a range is proposed


def pictured(image: Raster, window: Window, bands: Sequence[int]) -> NDArray[np.bool_] | None:
    """(H, W): where nodata and transparency leave it, and each of the bands has a number; None means everywhere."""
    valid = image.valid(window, bands)
    if image.dtype.kind != 'f':
        return valid
    known = ~np.isnan(image.read(window, bands)).any(-1)
    return known if valid is None else known & valid


def proposed_range(image: Raster, bands: Sequence[int]) -> str:
    """What ``--range`` could be, in words: measured in the middle of the image."""
    height, width = min(image.height, MIDDLE), min(image.width, MIDDLE)
    middle = Window((image.height - height) // 2, (image.width - width) // 2, height, width)
    values, valid = image.read(middle, bands).astype(np.float32), pictured(image, middle, bands)
    values = values if valid is None else values[valid]
    values = values[np.isfinite(values)]
    if not values.size:
        return '--range LOW HIGH (none is proposed: there is no number in its middle)'
    return '--range {:g} {:g} are the 2nd and 98th percentile in its middle'.format(*np.percentile(values, (2, 98)))
