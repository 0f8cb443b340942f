"""Images and masks of any size, read in windows: through rasterio where it is needed and installed, else by Pillow."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ..errors import InputError
from .marks import marked_rgb

try:
    import rasterio
    from rasterio.enums import ColorInterp, MaskFlags
except ImportError:  # the extra [scenes]
    rasterio = None

TIFF = ('.tif', '.tiff')
LARGEST = 80_000_000  # pixels that Pillow may decode as a whole; beyond twice as many it refuses by itself
CACHE = 128 << 20  # bytes of decoded blocks that GDAL keeps, so that no strip is decoded for each of its windows
WITH_RASTERIO = "pip install '.[scenes]' brings rasterio, which reads it in windows"
PNG = b'\x89PNG\r\n\x1a\n'  # how one begins


@dataclass(frozen=True)
class Window:
    """A part of an image, in pixels from its upper left corner."""

    row: int
    column: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The same, to index an array of the whole image with."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)


class Raster(Protocol):
    """An image or mask that is open.

    Attributes:
        path: Its file.
        height, width: In pixels.
        bands: How many.
        rgb: Numbers of those that are red, green and blue, where there are three or more.
        dtype: Of a pixel's value.
        place: The coordinate system, rasterio's or None, and the six numbers of the transform into it; None where the
            file has neither.
    """

    path: Path
    height: int
    width: int
    bands: int
    rgb: tuple[int, int, int]
    dtype: np.dtype
    place: tuple[Any, tuple[float, ...]] | None

    @property
    def turned(self) -> bool:
        """Whether its EXIF tag has viewers turn or mirror it, which nothing here does."""

    def read(self, window: Window, bands: Sequence[int]) -> NDArray[Any]:
        """(H, W, B): the bands of these numbers, from 1.

        Raises:
            InputError: The file is damaged.
        """

    def valid(self, window: Window, bands: Sequence[int]) -> NDArray[np.bool_] | None:
        """(H, W): where the file has a picture at all, by its nodata value or transparency; None means everywhere."""

    def transparency(self, bands: Sequence[int]) -> int | None:
        """The number of the band that :meth:`valid` takes for transparency, if it does."""


def rasterio_or_refuse(why: str) -> Any:
    """The library; refuses, with a reason, where it is not installed."""
    if rasterio is None:
        raise InputError(f"{why} without rasterio: pip install '.[scenes]'")
    return rasterio


def to_8_bits(pixels: NDArray[Any], span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Spreads the values from ``span[0]`` to ``span[1]`` over 0 to 255; what lies outside becomes black or white.

    Args:
        pixels: Of any shape; what is no number counts as 0.
        span: None leaves 8 bits as they are.
    """
    if span is None:
        return pixels
    low, high = span
    within = np.nan_to_num(pixels.astype(np.float32)).clip(low, high)
    return ((within - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)


@contextmanager
def open_raster(path: Path, colours: bool = True, shrink: int = 1, smooth: bool = True) -> Iterator[Raster]:
    """Opens a file; only its head is read.

    Args:
        path: PNG, JPEG, TIFF or another that Pillow knows; GeoTIFF.
        colours: Whether of a palette image the colours are read, not the numbers.
        shrink: Reads it at one n-th of its size, as a whole.
        smooth: Whether shrinking takes means (images), not the nearest pixel (masks).

    Raises:
        InputError: It is damaged, too large to be read as a whole, or needs rasterio.
    """
    file = Path(path)
    deep = _deep_png(file)
    if deep:
        rasterio_or_refuse(f'{file} is a PNG of 16 bits in colours, whose values cannot be kept')
    if rasterio is not None and shrink == 1 and (deep or file.suffix.lower() in TIFF or _too_large(file)):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', rasterio.errors.NotGeoreferencedWarning)
            with rasterio.Env(GDAL_CACHEMAX=CACHE), _opened(file) as dataset:
                yield _Windowed(file, dataset, colours)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            picture = Image.open(file)
    except Image.DecompressionBombError as error:
        raise InputError(f'{file} is too large to be decoded as a whole; {WITH_RASTERIO}') from error
    except Exception as error:
        known = ' (Pillow knows few kinds of TIFF)' if file.suffix.lower() in TIFF else ''
        hint = f', or {WITH_RASTERIO}' if known else ''
        raise InputError(f'{file} cannot be read{known}; it is damaged or no image{hint}') from error
    with picture:
        if picture.width * picture.height > LARGEST:
            raise InputError(
                f'{file} has {picture.width}x{picture.height} pixels, more than {LARGEST // 1_000_000} million, '
                f'which are not decoded as a whole; {WITH_RASTERIO}'
            )
        yield _Whole(file, picture, colours, shrink, smooth)


def _deep_png(file: Path) -> bool:
    """Whether it is one of which Pillow keeps 8 of 16 bits, without a word: all but grey ones."""
    try:
        with open(file, 'rb') as opened:
            head = opened.read(26)
    except OSError:  # it will be opened again, and then said
        return False
    return head.startswith(PNG) and head[24:25] == b'\x10' and head[25:] != b'\0'  # bits of a value, kind of colour


def _too_large(file: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                return picture.width * picture.height > LARGEST
    except Image.DecompressionBombError:
        return True
    except Exception:  # it will be opened again, and then said
        return False


def _opened(file: Path) -> Any:
    try:
        return rasterio.open(file)
    except rasterio.errors.RasterioError as error:
        raise InputError(f'{file} cannot be read; it is damaged or no image ({_line(error)})') from error


def _line(error: BaseException) -> str:
    return ' '.join(str(error).split())


class _Windowed:
    """By rasterio."""

    def __init__(self, path: Path, dataset: Any, colours: bool) -> None:
        self.path, self._dataset = path, dataset
        self.height, self.width = dataset.height, dataset.width
        self.dtype = np.dtype(dataset.dtypes[0])
        self.place = _place(dataset)
        self._palette = None
        if colours and dataset.count == 1 and dataset.colorinterp[0] == ColorInterp.palette:
            self._palette = np.zeros((256, 3), np.uint8)
            for number, colour in dataset.colormap(1).items():
                if number < 256:
                    self._palette[number] = colour[:3]
        self.bands = 3 if self._palette is not None else dataset.count
        self.rgb = marked_rgb([kind.name for kind in dataset.colorinterp])

    def read(self, window: Window, bands: Sequence[int]) -> NDArray[Any]:
        indexes = [1] if self._palette is not None else list(bands)
        try:
            pixels = np.moveaxis(self._dataset.read(indexes, window=self._window(window)), 0, -1)
        except rasterio.errors.RasterioError as error:
            raise InputError(f'{self.path} cannot be read to its end; it is damaged ({_line(error)})') from error
        if self._palette is not None:
            return self._palette[pixels[..., 0]][..., [band - 1 for band in bands]]
        return pixels

    def valid(self, window: Window, bands: Sequence[int]) -> NDArray[np.bool_] | None:
        flags = self._flags(bands)
        if set(self._alpha()) & set(bands) or all(MaskFlags.all_valid in each for each in flags):
            return None
        return self._dataset.dataset_mask(window=self._window(window)) > 0

    def transparency(self, bands: Sequence[int]) -> int | None:
        alpha = self._alpha()
        chosen = bool(set(alpha) & set(bands))
        return alpha[0] if not chosen and any(MaskFlags.alpha in each for each in self._flags(bands)) else None

    @property
    def turned(self) -> bool:
        return self._dataset.tags().get('EXIF_Orientation', '1') != '1'

    def _alpha(self) -> list[int]:
        return [band for band, kind in enumerate(self._dataset.colorinterp, 1) if kind == ColorInterp.alpha]

    def _flags(self, bands: Sequence[int]) -> list[Any]:
        return [self._dataset.mask_flag_enums[band - 1] for band in bands if band <= self._dataset.count]

    @staticmethod
    def _window(window: Window) -> Any:
        return rasterio.windows.Window(window.column, window.row, window.width, window.height)


def _place(dataset: Any) -> tuple[Any, tuple[float, ...]] | None:
    a, b, c, d, e, f = transform = tuple(dataset.transform)[:6]
    counted = (a, b, c, d, abs(e), f) == (
        1,
        0,
        0,
        0,
        1,
        0,
    )  # in pixels, down or up: nobody said where it lies
    return None if counted and not dataset.crs else (dataset.crs, transform)


class _Whole:
    """By Pillow, which decodes the whole file at the first window."""

    place: tuple[Any, tuple[float, ...]] | None = None
    rgb = (1, 2, 3)

    def __init__(self, path: Path, picture: Image.Image, colours: bool, shrink: int, smooth: bool) -> None:
        self.path, self._picture, self._smooth = path, picture, smooth
        self.height, self.width = max(1, picture.height // shrink), max(1, picture.width // shrink)
        self._mode = _mode(picture.mode, colours)
        empty = np.asarray(Image.new(self._mode or picture.mode, (1, 1)))
        self.dtype = np.dtype(np.uint8) if empty.dtype == bool else empty.dtype
        self.bands = math.prod(empty.shape)
        self._pixels: NDArray[Any] | None = None

    def _decoded(self) -> NDArray[Any]:
        if self._pixels is None:
            try:
                picture = self._picture.convert(self._mode) if self._mode else self._picture
                if (picture.width, picture.height) != (self.width, self.height):
                    filtered = Image.Resampling.BOX if self._smooth else Image.Resampling.NEAREST
                    picture = picture.resize((self.width, self.height), filtered)
                pixels = np.asarray(picture)
            except Exception as error:  # Pillow's decoders raise whatever they like on broken files
                raise InputError(f'{self.path} cannot be read to its end; it is damaged ({_line(error)})') from error
            pixels = pixels.astype(self.dtype, copy=False)
            self._pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        return self._pixels

    def read(self, window: Window, bands: Sequence[int]) -> NDArray[Any]:
        return self._decoded()[window.slices][..., [band - 1 for band in bands]]

    def valid(self, window: Window, bands: Sequence[int]) -> NDArray[np.bool_] | None:
        return None if self.transparency(bands) is None else self._decoded()[window.slices][..., -1] > 0

    def transparency(self, bands: Sequence[int]) -> int | None:
        alpha = (self._mode or self._picture.mode) in ('LA', 'RGBA')
        return self.bands if alpha and self.bands not in bands else None

    @property
    def turned(self) -> bool:
        if self._picture.format not in ('JPEG', 'MPO'):  # of a PNG Pillow would decode all of it, to find the tag
            return False
        try:
            return self._picture.getexif().get(ExifTags.Base.Orientation, 1) != 1
        except Exception:  # Pillow's decoders raise whatever they like on broken files
            return False


def _mode(mode: str, colours: bool) -> str | None:
    """What Pillow is to convert a picture to before it is an array; None leaves it."""
    if mode == 'P' and colours:
        return 'RGB'
    return 'RGB' if mode in ('CMYK', 'YCbCr', 'HSV', 'LAB', 'RGBX') else 'RGBA' if mode in ('PA', 'RGBa') else None
