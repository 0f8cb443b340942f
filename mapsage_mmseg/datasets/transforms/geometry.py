"""Coordinate maps of geometric transforms: the source of each pixel of a transformed image."""

from collections.abc import Callable
from typing import Any

import cv2
import mmcv.transforms
import mmseg.datasets.transforms
import numpy as np

from .quarter_turn import RandomQuarterTurn
from .rescale import RandomRescale

IGNORE = 255

# A rule takes the transform, the image's (height, width) before it, and the results after it. It returns the (3, 3)
# matrix that maps (x, y, 1), a pixel's position after the transform, to its position before. Pixel centres have integer
# coordinates.
Rule = Callable[[Any, tuple[int, int], dict[str, Any]], np.ndarray]


def _resized(step: Any, before: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
    """Derives the scale from the two sizes, whatever was drawn; pixel edges are aligned, not centres."""
    height, width = results['img'].shape[:2]
    x, y = before[1] / width, before[0] / height
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])


def _cropped(step: Any, before: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
    top, _, left, _ = step.crop_bbox(results)
    return np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], float)


def _flipped(step: Any, before: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
    direction = results['flip_direction'] if results['flip'] else ''
    matrix = np.eye(3)
    if direction in ('horizontal', 'diagonal'):
        matrix[0, 0], matrix[0, 2] = -1, before[1] - 1
    if direction in ('vertical', 'diagonal'):
        matrix[1, 1], matrix[1, 2] = -1, before[0] - 1
    return matrix


def _rotated(step: Any, before: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
    rotate, degree = step.generate_degree()
    if not rotate:
        return np.eye(3)
    height, width = before
    centre = step.center or ((width - 1) / 2, (height - 1) / 2)
    forward = np.vstack([cv2.getRotationMatrix2D(centre, -degree, 1.0), [0, 0, 1]])  # as mmcv.imrotate
    if step.auto_bound:
        cosine, sine = abs(forward[0, 0]), abs(forward[0, 1])
        forward[0, 2] += (height * sine + width * cosine - width) / 2
        forward[1, 2] += (height * cosine + width * sine - height) / 2
    return np.linalg.inv(forward)


def _turned(step: Any, before: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
    turns, right, bottom = results['quarter_turns'], before[1] - 1, before[0] - 1
    matrices = (
        [[1, 0, 0], [0, 1, 0]],
        [[0, -1, right], [1, 0, 0]],
        [[-1, 0, right], [0, -1, bottom]],
        [[0, 1, 0], [-1, 0, bottom]],
    )
    return np.array([*matrices[turns], [0, 0, 1]], float)


def _padded(step: Any, before: tuple[int, int], results: dict[str, Any]) -> np.ndarray:
    return np.eye(3)  # mmcv pads at the right and at the bottom


RULES: dict[type, Rule] = {
    mmcv.transforms.Resize: _resized,
    mmseg.datasets.transforms.Resize: _resized,
    mmcv.transforms.RandomResize: _resized,
    RandomRescale: _resized,
    mmcv.transforms.RandomChoiceResize: _resized,
    mmseg.datasets.transforms.RandomCrop: _cropped,
    mmcv.transforms.RandomFlip: _flipped,
    mmseg.datasets.transforms.RandomFlip: _flipped,
    mmseg.datasets.transforms.RandomRotate: _rotated,
    RandomQuarterTurn: _turned,
    mmcv.transforms.Pad: _padded,
}


def objection(step: Any) -> str | None:
    """Returns why a transform that has a rule cannot be replayed with its settings; None if it can.

    The teacher predicts nothing outside the image, so the label there must be the ignored one.
    """
    if getattr(step, 'swap_seg_labels', None):
        return f'swap_seg_labels={step.swap_seg_labels} exchanges classes'
    label = getattr(step, 'seg_pad_val', IGNORE)
    if isinstance(step, mmcv.transforms.Pad):
        label = step.pad_val.get('seg', IGNORE)
        if step.padding_mode != 'constant':
            return f'padding_mode={step.padding_mode!r} repeats pixels'
    return None if label == IGNORE else f'it labels what lies outside the image {label}, which is not ignored'
