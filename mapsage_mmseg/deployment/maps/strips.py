"""Prediction of a scene of any size, one row of windows at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...imagery.windows import starts_by_overlap, weights
from ..predictor import Logits

NO_CLASS = 255
Read = Callable[[int, int, int, int], tuple[NDArray[Any], NDArray[np.bool_]]]


@dataclass(frozen=True)
class Plan:
    """Windows over a scene.

    Attributes:
        height, width: Size of the scene, pixels.
        window, overlap: Side of a window, and minimum overlap of neighbours, pixels.
    """

    height: int
    width: int
    window: int
    overlap: int

    @property
    def rows(self) -> list[int]:
        """First pixel rows of the rows of windows; a strip ends where the next one begins."""
        return starts_by_overlap(self.height, self.window, self.overlap)


def predict_strips(
    plan: Plan, read: Read, logits: Logits, classes: int, first: int = 0
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Yields finished strips from the top down; memory holds one row of windows, whatever the height of the scene.

    Args:
        plan: Windows over the scene.
        read: Takes row, column, height and width, and returns model input (h, w, 3 or B) and which pixels are valid
            (h, w).
        logits: The model.
        classes: Number of its classes.
        first: Strip to begin with. Earlier windows that reach into it are run again, in the same order, so that it
            is bit-identical.

    Yields:
        Classes (h, W), 255 where the scene has no data, and probabilities (C, h, W), averaged over the windows.
    """
    rows, columns = plan.rows, starts_by_overlap(plan.width, plan.window, plan.overlap)
    down, across = weights(rows, plan.window, plan.height), weights(columns, plan.window, plan.width)
    size, side = min(plan.window, plan.height), min(plan.window, plan.width)
    summed = np.zeros((classes, size, plan.width), np.float32)
    valid = np.zeros((size, plan.width), bool)
    begin = next(row for row in range(first + 1) if rows[row] + size > rows[first])
    for row in range(begin, len(rows)):
        if row > begin:
            _move_up(summed, rows[row] - rows[row - 1])
        for column, weight in zip(columns, across, strict=True):
            image, known = read(rows[row], column, size, side)
            valid[:, column : column + side] = known
            if known.any():
                share = down[row][:, None] * weight
                summed[:, :, column : column + side] += _softmax(logits(image[None])[0]) * share
        if row >= first:
            end = rows[row + 1] - rows[row] if row + 1 < len(rows) else size
            found = summed[:, :end].argmax(0).astype(np.uint8)
            yield np.where(valid[:end], found, np.uint8(NO_CLASS)), summed[:, :end]


def _move_up(summed: NDArray[np.float32], by: int) -> None:
    """Drops the first rows of (C, H, W) and appends zeros below, in place."""
    kept = summed.shape[1] - by
    if kept > 0:
        summed[:, :kept] = summed[:, by:]
    summed[:, max(kept, 0) :] = 0


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(0))
    return powers / powers.sum(0)
