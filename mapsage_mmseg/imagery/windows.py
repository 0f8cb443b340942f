"""Positions of windows over an image, and their weights where they overlap."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def starts_by_overlap(length: int, window: int, overlap: int) -> list[int]:
    """Returns the first pixels of windows along one side, evenly spread from edge to edge.

    Args:
        length: Length of the side, pixels.
        window: Length of a window, pixels; a shorter side has one window of its own length.
        overlap: Minimum overlap of neighbours, pixels, below ``window``.
    """
    if length <= window:
        return [0]
    count = 1 + math.ceil((length - window) / (window - overlap))
    return [round(index * (length - window) / (count - 1)) for index in range(count)]


def starts_by_stride(length: int, size: int, stride: int | None) -> list[int]:
    """Returns the first pixels of tiles along one side.

    Args:
        length: Length of the side, pixels.
        size: Length of a tile, pixels. A shorter side is one tile of its own length.
        stride: Pixels from one tile to the next, 1 to ``size``; the last is moved back to the edge, so that all pixels
            are covered. None spreads ``length / size`` tiles, rounded, evenly over the side, with gaps or overlaps.
    """
    last = length - size
    if last <= 0:
        return [0]
    if stride is None:
        count = max(1, round(length / size))
        return [round(last * number / (count - 1)) for number in range(count)] if count > 1 else [0]
    return [*range(0, last, stride), last]


def weights(first: Sequence[int], window: int, length: int) -> list[NDArray[np.float32]]:
    """Returns the weight of each window along one side: highest in its middle, falling towards its ends.

    At the border of a window the model sees the least context, and seams would show there.

    Returns:
        (min(window, length),) for each window; at every pixel of the side they sum to one.
    """
    size = min(window, length)
    ramp = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)).astype(np.float64)
    total = np.zeros(length)
    for start in first:
        total[start : start + size] += ramp
    return [(ramp / total[start : start + size]).astype(np.float32) for start in first]
