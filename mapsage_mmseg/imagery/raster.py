"""An open image or mask, read in windows."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as GDALWindow

from ..errors import InputError
from .formats import format_of
from .rgb_bands import OTHER_SPACES, marked_rgb
from .sidecars import Sidecar, read_sidecars

warnings.filterwarnings('ignore', category=NotGeoreferencedWarning)  # most pictures have no georeference


@dataclass(frozen=True)
class Window:
    """A part of an image, in pixels from its upper left corner."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Slices that index an array of the whole image."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)


def opened(file: Path) -> Any:
    """Opens a file by its own format's decoder alone.

    Raises:
        InputError: The file has no such format, is damaged, refers to another file, or holds other than numbers.
    """
    known = format_of(file)
    try:
        data = rasterio.open(file.absolute(), driver=known.driver)  # GDAL may take a relative name for a command
    except RasterioError as error:
        raise InputError(f'{file} cannot be read; it is damaged or no image ({one_line(error)})') from error
    if np.dtype(data.dtypes[0]).kind not in 'buif':
        kind = data.dtypes[0]
        data.close()
        raise InputError(f'{file} holds {kind}; expected whole or floating-point numbers')
    if data.tags(ns='OVERVIEWS'):  # a TIFF may refer to a file with its overviews here
        data.close()
        raise InputError(f'{file} refers to another file for its overviews; write it anew with gdal_translate')
    return data


def one_line(error: BaseException) -> str:
    """An error's text without line breaks."""
    return ' '.join(str(error).split())


class Raster:
    """An open image or mask, as :func:`~mapsage_mmseg.imagery.open_raster` creates it.

    Args:
        path: Path of the file.
        data: rasterio's open data set.
        colours: As for :func:`~mapsage_mmseg.imagery.open_raster`.

    Attributes:
        height, width: Size in pixels.
        kinds: GDAL's colour interpretation by band, such as ``'red'`` or ``'alpha'``.
        bands: Number of bands; a palette image read in colours has three.
        rgb: Numbers of the red, green and blue bands.
        dtype: Data type of the values.
        alpha: Number of the band that is marked as transparency, or None.
    """

    def __init__(self, path: Path, data: Any, colours: bool = True) -> None:
        self.path, self.data = path, data
        self.height, self.width = data.height, data.width
        self.dtype = np.dtype(data.dtypes[0])
        self.kinds = [kind.name for kind in data.colorinterp]
        self.alpha = self.kinds.index('alpha') + 1 if 'alpha' in self.kinds else None
        self._palette = None
        if colours and data.colorinterp[0] == ColorInterp.palette:
            if self.dtype != np.uint8:
                raise InputError(f'{path} has a colour table of {self.dtype}; expected one of 8 bits')
            self._palette = np.zeros((256, 4), np.uint8)
            for number, colour in data.colormap(1).items():
                if number < 256:
                    self._palette[number] = colour
        self.bands = 3 if self._palette is not None else data.count
        self.rgb = (1, 2, 3) if self._palette is not None else marked_rgb(self.kinds)

    @cached_property
    def sidecar(self) -> Sidecar:
        """Content of the sidecar files."""
        return read_sidecars(self.path)

    @cached_property
    def bits(self) -> int:
        """Number of bits in use per value: a file may use fewer than the data type has."""
        named = self.data.tags(1, ns='IMAGE_STRUCTURE').get('NBITS') if self._palette is None else None
        return int(named or 8 * self.dtype.itemsize)

    @cached_property
    def white_is_zero(self) -> bool:
        """Returns whether it is a grey picture stored as a negative (TIFF's MINISWHITE)."""
        return self._palette is None and self.data.tags(ns='IMAGE_STRUCTURE').get('MINISWHITE') == 'YES'

    @cached_property
    def transform(self) -> Affine:
        """Transform from (column, row) of a pixel's corner to coordinates; the file overrides its sidecars."""
        own = self.data.transform
        beside = self.sidecar.transform if _counts_pixels(own) else None
        return Affine(*beside) if beside else own

    @cached_property
    def crs(self) -> CRS | None:
        """Coordinate system; the file overrides its sidecars."""
        if self.data.crs or not self.sidecar.crs:
            return self.data.crs or None
        try:
            return CRS.from_wkt(self.sidecar.crs)
        except CRSError:
            return None

    @property
    def place(self) -> tuple[CRS | None, tuple[float, ...]] | None:
        """Coordinate system and the six coefficients of the transform into it; None if there is neither."""
        return None if self.crs is None and _counts_pixels(self.transform) else (self.crs, tuple(self.transform)[:6])

    @property
    def turned(self) -> bool:
        """Returns whether viewers turn or mirror it because of its EXIF tag, which this package does not."""
        return self.data.tags().get('EXIF_Orientation', '1') != '1'

    @property
    def other_space(self) -> str | None:
        """Other colour space, or kind of its first band, if the bands are not RGB or grey; else None."""
        if self.data.tags(ns='IMAGE_STRUCTURE').get('SOURCE_COLOR_SPACE') == 'CIELAB':
            return 'CIELAB'
        return next((kind for kind in self.kinds if kind in OTHER_SPACES), None)

    def nodata(self, band: int) -> Any:
        """Returns the nodata value of a band in the file's data type, or None."""
        return self._nodata.get(band)

    @cached_property
    def _nodata(self) -> dict[int, Any]:
        declared = {number: value for number, value in enumerate(self.data.nodatavals, 1) if value is not None}
        fits = {number: _as_value(value, self.dtype) for number, value in {**self.sidecar.nodata, **declared}.items()}
        return {number: value for number, value in fits.items() if value is not None}

    def read(self, window: Window, bands: Sequence[int]) -> NDArray[Any]:
        """Reads the bands of these numbers, from 1, as (H, W, B).

        Raises:
            InputError: The file is damaged.
        """
        return self.read_known(window, bands, values_only=True)[0]

    def read_known(
        self, window: Window, bands: Sequence[int], values_only: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Reads (H, W, B) as :meth:`read`, and which pixels hold data (H, W); None means all.

        A pixel is missing if the file's mask or its alpha band marks it (unless that band is among ``bands``), if all
        these bands hold their nodata value, or if one of them holds a non-finite value.
        """
        taken = [1] if self._palette is not None else list(bands)
        stored = self._decoded(taken, window)
        known = None if values_only else self._known(stored, taken, window)
        if self._palette is not None:
            return self._palette[stored[0]][..., [band - 1 for band in bands]], known
        if stored.dtype == np.uint8 and len(stored) == 3:
            return cv2.merge(list(stored)), known  # ten times as fast as numpy
        return np.ascontiguousarray(np.moveaxis(stored, 0, -1)), known

    def read_small(self, height: int, width: int, bands: Sequence[int]) -> NDArray[Any]:
        """Reads the whole image at another size by its nearest pixels, (height, width, B)."""
        taken = [1] if self._palette is not None else list(bands)
        small = np.moveaxis(self.data.read(taken, out_shape=(len(taken), height, width)), 0, -1)
        return small if self._palette is None else self._palette[small[..., 0]][..., [band - 1 for band in bands]]

    def missing_values(self, pixels: NDArray[Any], bands: Sequence[int]) -> NDArray[np.bool_] | None:
        """Returns which values of :meth:`read` are nodata or non-finite, (H, W, B); None means none.

        In 8 bits, a nodata value is a colour like any other, and counts only if all bands of a pixel have it.
        """
        found = np.zeros(pixels.shape, bool)
        for number, band in enumerate(bands):
            value = self.nodata(band) if self._palette is None and pixels.dtype.itemsize > 1 else None
            if value is not None:
                found[..., number] = _equal(pixels[..., number], value)
        if pixels.dtype.kind == 'f':
            found |= ~np.isfinite(pixels)
        return found if found.any() else None

    def hides(self, bands: Sequence[int]) -> int | None:
        """Returns the number of the band that is taken for transparency when these are read, or None."""
        return self.alpha if self.alpha not in bands else None

    def _decoded(self, bands: list[int], window: Window, masks: bool = False) -> NDArray[Any]:
        read = self.data.read_masks if masks else self.data.read
        try:
            return read(bands, window=GDALWindow(window.column, window.row, window.width, window.height))
        except (RasterioError, MemoryError) as error:
            reason = one_line(error.__cause__ or error)
            raise InputError(
                f'{self.path} cannot be read to its end; it is damaged at row {window.row}, column {window.column} '
                f'({reason})'
            ) from error

    def _known(self, stored: NDArray[Any], bands: list[int], window: Window) -> NDArray[np.bool_] | None:
        present: list[NDArray[np.bool_]] = []
        if self.hides(bands):
            present.append(self._decoded([self.alpha], window)[0] > 0)  # type: ignore[list-item]
        flags = self.data.mask_flag_enums[0]
        if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:  # a mask band, or one transparent colour
            present.append(self._decoded([1], window, masks=True)[0] > 0)
        if self._palette is not None:
            present.append(self._palette[..., 3][stored[0]] > 0)
        values = [self.nodata(band) for band in bands]
        if all(value is not None for value in values):
            equal = [_equal(band, value) for band, value in zip(stored, values, strict=True)]
            present.append(~np.logical_and.reduce(equal))
        if stored.dtype.kind == 'f':
            present.append(np.isfinite(stored).all(0))
        if self.sidecar.mask is not None:
            present.append(self._beside(self.sidecar.mask, window))
        known = np.logical_and.reduce(present) if present else None
        return None if known is None or known.all() else known

    def _beside(self, file: Path, window: Window) -> NDArray[np.bool_]:
        with opened(file) as mask:
            beside = Raster(file, mask, colours=False)
            if (beside.height, beside.width) != (self.height, self.width):
                size = f'{beside.width}x{beside.height}'
                raise InputError(f'{file} has {size} pixels; expected {self.width}x{self.height}, as {self.path} has')
            return beside.read(window, (1,))[..., 0] > 0


def _counts_pixels(transform: Affine) -> bool:
    """Returns whether coordinates are rows and columns, down or up: there is no georeference."""
    a, b, c, d, e, f = tuple(transform)[:6]
    return (a, b, c, d, abs(e), f) == (1, 0, 0, 0, 1, 0)


def _as_value(nodata: float, dtype: np.dtype) -> Any:
    """Converts a declared nodata value to the data type; None if the type has no such value."""
    if dtype.kind == 'f':
        return dtype.type(nodata)
    if dtype.kind not in 'iu' or not math.isfinite(nodata) or nodata != int(nodata):
        return None
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return dtype.type(int(nodata)) if low <= nodata <= high else None


def _equal(values: NDArray[Any], nodata: Any) -> NDArray[np.bool_]:
    return np.isnan(values) if nodata != nodata else values == nodata
