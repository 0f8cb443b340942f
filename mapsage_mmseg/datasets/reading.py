"""An image and its label, read as training would read them, with what is wrong with them in words."""

import io
from pathlib import Path

import mmcv
import numpy as np
from PIL import Image

from ..errors import InputError
from .bands import read_bands
from .dataset_yaml import DatasetSpec
from .limits import check_pixels


def check_pair(image: Path, label: Path, spec: DatasetSpec, max_pixels: int) -> np.ndarray:
    """Reads an image and its label as training would.

    Returns:
        Pixels of each class in the label, (C,).

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.check_folder` for a file.
    """
    height, width = check_image(image, spec, max_pixels)
    try:
        content = label.read_bytes()
        check_pixels(label, max_pixels, content)
        # As mmseg's LoadAnnotations reads it: the indices of a palette image, not its colours.
        values = mmcv.imfrombytes(content, flag='unchanged', backend='pillow')
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they like on broken files.
        raise InputError(f'{label} cannot be read ({type(error).__name__}); it is damaged or no image') from error
    values = values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
    if values.ndim != 2 or values.dtype.kind not in 'bui':
        raise InputError(f'{label} is {values.dtype} of shape {values.shape}; expected one channel of class numbers')
    if values.shape != (height, width):
        size = f'{values.shape[1]}x{values.shape[0]}'
        raise InputError(f'{label} has {size} pixels; expected {width}x{height}, as its image {image.name} has')
    outside = (values < 0) | (values >= len(spec.classes)) & (values != spec.ignore_index)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        valid = f'0 to {len(spec.classes) - 1} (classes) or {spec.ignore_index} (ignore_index)'
        raise InputError(f'{label}: label {values[row, column]} at row {row}, column {column}; expected {valid}')
    return np.bincount(values.ravel().astype(np.int64), minlength=len(spec.classes))[: len(spec.classes)]


def check_image(image: Path, spec: DatasetSpec, max_pixels: int) -> tuple[int, int]:
    """Reads an image as training would.

    Returns:
        Height and width, in pixels.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.check_folder` for a file.
    """
    pixels = read_bands(image, spec.bands, max_pixels) if spec.bands else _read_image(image, max_pixels)
    height, width = pixels.shape[:2]
    if min(height, width) < 2:
        raise InputError(f'{image} has {width}x{height} pixels; expected two on each side at least')
    return height, width


def _read_image(file: Path, max_pixels: int) -> np.ndarray:
    """(H, W, 3), decoded as mmcv's LoadImageFromFile does."""
    try:
        content = file.read_bytes()
        check_pixels(file, max_pixels, content)
        pixels = mmcv.imfrombytes(content, flag='color', backend='cv2')
    except InputError:
        raise
    except Exception as error:
        raise InputError(f'{file} cannot be read ({type(error).__name__}); it is damaged or no image') from error
    if pixels is None:
        raise InputError(f'{file} cannot be read; it is damaged or no image that OpenCV knows')
    try:
        Image.open(io.BytesIO(content)).load()
    except Exception as error:  # What else Pillow dislikes, OpenCV reads; but it fills a cut file with grey.
        if 'truncated' in str(error):
            raise InputError(f'{file} cannot be read to its end; it was cut short') from error
    return pixels
