"""Checks of an image and its label, which are read as in training."""

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...imagery import read_image, read_mask
from .dataset_yaml import DatasetSpec


def check_pair(image: Path, label: Path, spec: DatasetSpec, max_pixels: int) -> np.ndarray:
    """Reads an image and its label as in training, and checks them.

    Returns:
        Pixels of each class in the label where the image has data, (C,).

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.tiles.dataset.check_folder` for a file.
    """
    (height, width), known = check_image(image, spec, max_pixels)
    values = read_mask(label, max_pixels)
    if values.shape != (height, width):
        size = f'{values.shape[1]}x{values.shape[0]}'
        raise InputError(f'{label} has {size} pixels; expected {width}x{height}, as its image {image.name} has')
    outside = (values < 0) | (values >= len(spec.classes)) & (values != spec.ignore_index)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        valid = f'0 to {len(spec.classes) - 1} (classes) or {spec.ignore_index} (ignore_index)'
        raise InputError(f'{label}: label {values[row, column]} at row {row}, column {column}; expected {valid}')
    counted = values.ravel() if known is None else values[known]
    return np.bincount(counted.astype(np.int64), minlength=len(spec.classes))[: len(spec.classes)]


def check_image(image: Path, spec: DatasetSpec, max_pixels: int) -> tuple[tuple[int, int], np.ndarray | None]:
    """Reads an image as in training, and checks it.

    Returns:
        Height and width, in pixels; and which pixels hold data (H, W), None for all.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.tiles.dataset.check_folder` for a file.
    """
    pixels, known = read_image(image, spec.bands, max_pixels)
    height, width = pixels.shape[:2]
    if min(height, width) < 2:
        raise InputError(f'{image} has {width}x{height} pixels; expected two on each side at least')
    return (height, width), known
