"""Images as a model's input, and masks as class numbers."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ..errors import InputError
from .bands import Bands
from .limits import MAX_PIXELS
from .opening import open_raster
from .raster import Raster, Window

Image = tuple[NDArray[Any], NDArray[np.bool_] | None]  # pixels (H, W, B), and which hold data (H, W); None means all
Otherwise = Callable[[str], None]
# Fill colour of missing RGB pixels: ImageNet's mean, so that the network sees about 0.
MISSING_RGB = (124, 116, 104)


def read_image(
    file: Path, bands: Bands | None = None, max_pixels: int = MAX_PIXELS, otherwise: Otherwise | None = None
) -> Image:
    """Reads a whole image.

    Args:
        file: File in one of the formats of :mod:`~mapsage_mmseg.imagery.formats`.
        bands, otherwise: As for :func:`image_of`.
        max_pixels: Largest number of pixels that its header may claim.

    Returns:
        As :func:`image_of`.

    Raises:
        InputError: As :func:`~mapsage_mmseg.imagery.open_raster` and :func:`image_of`.
    """
    with open_raster(file, max_pixels=max_pixels) as raster:
        return image_of(raster, Window(0, 0, raster.height, raster.width), bands, otherwise)


def image_of(raster: Raster, window: Window, bands: Bands | None = None, otherwise: Otherwise | None = None) -> Image:
    """Reads a window of an image as model input. Missing values are filled with the mean, so that the network sees 0.

    Args:
        raster: The image.
        window: The window to read.
        bands: Bands that the model takes; None for red, green and blue of 8 bits.
        otherwise: Called with the reason if the image is not 8-bit RGB; its values are then returned as stored. None
            raises an error instead.

    Returns:
        (H, W, 3), red, green and blue; or (H, W, B); uint8 if the file is, else float32. And which pixels hold data
        (H, W); None means all.

    Raises:
        InputError: The image lacks a band, or is not 8-bit RGB and there are no statistics to scale it.
    """
    numbers = bands.numbers if bands else raster.rgb
    if bands is None and (reason := not_8_bit_rgb(raster)):
        if otherwise is None or raster.bands < max(numbers):
            raise InputError(reason)
        otherwise(reason)
    if raster.bands < max(numbers):
        raise InputError(f'{raster.path} has {raster.bands} bands; expected band {max(numbers)} (dataset.yaml: bands)')
    pixels, known = raster.read_known(window, numbers)
    if pixels.dtype.kind not in 'buif':
        raise InputError(f'{raster.path} holds {pixels.dtype}; expected whole or floating-point numbers')
    missing = missing_in(raster, pixels, known, numbers)
    if pixels.dtype != np.uint8:
        pixels = np.ascontiguousarray(pixels, np.float32)
    return filled(pixels, missing, bands.mean if bands else MISSING_RGB), known


def missing_in(
    raster: Raster, pixels: NDArray[Any], known: NDArray[np.bool_] | None, bands: Sequence[int]
) -> NDArray[np.bool_] | None:
    """Returns which values of :meth:`Raster.read_known` are missing, alone or with their pixel, (H, W, B) or None."""
    missing = raster.missing_values(pixels, bands)
    if known is None:
        return missing
    absent = np.broadcast_to(~known[..., None], pixels.shape)
    return absent if missing is None else missing | absent


def filled(pixels: NDArray[Any], missing: NDArray[np.bool_] | None, mean: Sequence[float]) -> NDArray[Any]:
    """Replaces the missing values of (H, W, B) by ``mean`` (B,), rounded for uint8."""
    if missing is None:
        return pixels
    stands_for = np.asarray(mean[: pixels.shape[-1]], np.float32)
    if pixels.dtype == np.uint8:
        stands_for = stands_for.round().clip(0, 255).astype(np.uint8)
    return np.where(missing, stands_for, pixels)


def not_8_bit_rgb(raster: Raster, advice: str | None = None) -> str | None:
    """Returns the reason why an image is not 8-bit RGB; None if it is. A grey one is: its band counts three times.

    Args:
        raster: The image.
        advice: What to do with other bands and values; None proposes lines for dataset.yaml.
    """
    if raster.bands < max(raster.rgb):
        return f'{raster.path} has {raster.bands} bands, which are no red, green and blue; {advice or _lines(raster)}'
    return other_colours(raster) or not_8_bit(raster, advice)


def other_colours(raster: Raster) -> str | None:
    """Returns the reason why the values of an image are not red, green and blue, or grey; None if they are."""
    if raster.other_space:
        return f'{raster.path} has a band that is {raster.other_space}; turn it into RGB first'
    if raster.white_is_zero:
        return f'{raster.path} is a negative (MINISWHITE: 0 is white); turn it into a positive first'
    return None


def not_8_bit(raster: Raster, advice: str | None = None) -> str | None:
    """Returns the reason why an image is not 8-bit; None if it is. ``advice`` as for :func:`not_8_bit_rgb`."""
    if raster.dtype == np.uint8 and raster.bits == 8:
        return None
    kind = f'{raster.bits}-bit' if raster.dtype == np.uint8 else str(raster.dtype)
    return f'{raster.path} is {kind}, and without bands, mean and std images have 8 bits; {advice or _lines(raster)}'


def _lines(raster: Raster) -> str:
    """Proposes lines for dataset.yaml: all bands except transparency, with statistics of the middle of this image."""
    order = dict.fromkeys((*raster.rgb, *range(1, raster.bands + 1)))
    numbers = [number for number in order if number <= raster.bands and number != raster.alpha]
    height, width = min(raster.height, 512), min(raster.width, 512)
    window = Window((raster.height - height) // 2, (raster.width - width) // 2, height, width)
    pixels, known = raster.read_known(window, numbers)
    missing = missing_in(raster, pixels, known, numbers)
    values = np.ma.masked_array(pixels.astype(np.float64), False if missing is None else missing)
    mean, std = values.mean((0, 1)).filled(0), values.std((0, 1)).filled(1).clip(1e-6)
    lines = dict(bands=numbers, mean=[float(f'{v:.4g}') for v in mean], std=[float(f'{v:.4g}') for v in std])
    return (
        'make tiles of 8 bits with tools/prepare_data.py --range LOW HIGH, or have tiles made with --format tif, which '
        'measures over all of them, or write these lines into dataset.yaml (figures of the middle of this image):\n'
        + yaml.safe_dump(lines, default_flow_style=None, sort_keys=False, width=math.inf).rstrip()
    )


def read_mask(file: Path, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Reads class numbers, (H, W); of a palette image the indices, not the colours.

    Raises:
        InputError: As :func:`~mapsage_mmseg.imagery.open_raster`; or the file is not a single band of integers.
    """
    with open_raster(file, colours=False, max_pixels=max_pixels) as raster:
        if raster.bands > 1 or raster.dtype.kind not in 'bui':
            raise InputError(
                f'{file} is {raster.dtype} with {raster.bands} bands; expected one channel of class numbers'
            )
        return raster.read(Window(0, 0, raster.height, raster.width), (1,))[..., 0]
