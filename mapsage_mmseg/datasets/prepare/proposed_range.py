"""Proposed range of values for images of more than 8 bits."""

from collections.abc import Sequence

import numpy as np

from ...imagery import Raster, Window

MIDDLE = 512  # side in pixels of the window that is measured


def proposed_range(image: Raster, bands: Sequence[int]) -> str:
    """Proposes values for ``--range`` in words, measured in the middle of the image."""
    height, width = min(image.height, MIDDLE), min(image.width, MIDDLE)
    middle = Window((image.height - height) // 2, (image.width - width) // 2, height, width)
    pixels, known = image.read_known(middle, bands)
    values = pixels.astype(np.float32)
    values = values if known is None else values[known]
    values = values[np.isfinite(values)]
    if not values.size:
        return '--range LOW HIGH (none is proposed: there is no number in its middle)'
    return '--range {:g} {:g} are the 2nd and 98th percentile in its middle'.format(*np.percentile(values, (2, 98)))
