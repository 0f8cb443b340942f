"""Imagery of other bands than red, green and blue, or of more than 8 bits: which bands, and their statistics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from numpy.typing import NDArray

from ..errors import InputError
from .limits import MAX_PIXELS, check_claim
from .rasters import Window, open_raster

SPREAD = 2.0  # standard deviations on either side of the mean that a picture shows, from black to white


@dataclass(frozen=True)
class Bands:
    """What a model is given of a file's bands.

    Attributes:
        numbers: Of the bands, from 1, in the order in which the model sees them, (B,).
        mean, std: Of each over the training tiles, in the file's own values, (B,).
    """

    numbers: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def picture(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The first three bands, or the first as grey, as people can look at them.

        Args:
            values: (H, W, B), as :func:`read_bands` gives them.

        Returns:
            (H, W, 3), uint8, RGB: two standard deviations below the mean are black, two above it white.
        """
        shown = [0, 1, 2] if len(self.numbers) >= 3 else [0, 0, 0]
        mean, std = (np.asarray(each, np.float32)[shown] for each in (self.mean, self.std))
        scaled = (values[..., shown].astype(np.float32) - mean) / (2 * SPREAD * std) + 0.5
        return (255 * scaled.clip(0, 1)).round().astype(np.uint8)

    def as_dict(self) -> dict[str, list[Any]]:
        """The same, for a JSON file and for what a data set says of itself."""
        return {key: list(values) for key, values in asdict(self).items()}

    @classmethod
    def of(cls, meta: Mapping[str, Any] | None) -> 'Bands | None':
        """What :meth:`as_dict` gave, under ``bands`` of a data set's metainfo; None where there is none."""
        found = (meta or {}).get('bands')
        return None if found is None else cls(**{key: tuple(values) for key, values in found.items()})


def read_bands(file: Path, bands: Bands, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Reads an image's bands.

    Args:
        file: PNG, JPEG, TIFF or GeoTIFF; most TIFFs of more than 8 bits need the extra ``[scenes]``.
        bands: Which. Values that are no number become their mean.
        max_pixels: What it may have.

    Returns:
        (H, W, B): uint8 where the file is, else float32.

    Raises:
        InputError: It cannot be read, lacks a band, or claims too many pixels.
    """
    with open_raster(file) as raster:
        check_claim(file, raster.height * raster.width, max_pixels)
        if raster.bands < max(bands.numbers):
            raise InputError(
                f'{file} has {raster.bands} bands; expected band {max(bands.numbers)} (dataset.yaml: bands)'
            )
        values = raster.read(Window(0, 0, raster.height, raster.width), bands.numbers)
    if values.dtype.kind not in 'buif':
        raise InputError(f'{file} holds {values.dtype}; expected whole or floating-point numbers')
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    return finite(values, bands)


def finite(values: NDArray[Any], bands: Bands) -> NDArray[np.float32]:
    """(H, W, B) in float32; a value that is no number is its band's mean."""
    real = np.ascontiguousarray(values, np.float32)
    if values.dtype.kind != 'f' or (known := np.isfinite(real)).all():
        return real
    return np.where(known, real, np.asarray(bands.mean, np.float32))


@TRANSFORMS.register_module()
class LoadBands(BaseTransform):
    """Stands for ``LoadImageFromFile`` where a ``dataset.yaml`` names bands.

    Args:
        numbers, mean, std: As of :class:`Bands`.
        max_pixels: As of :func:`read_bands`.
    """

    on_whole_image = True  # it moves no pixel, and changes every image alike

    def __init__(self, numbers: Any, mean: Any, std: Any, max_pixels: int = MAX_PIXELS) -> None:
        self.bands, self.max_pixels = Bands(tuple(numbers), tuple(mean), tuple(std)), max_pixels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``img`` (H, W, B), ``img_shape`` and ``ori_shape``."""
        values = read_bands(Path(results['img_path']), self.bands, self.max_pixels)
        return {**results, 'img': values, 'img_shape': values.shape[:2], 'ori_shape': values.shape[:2]}
