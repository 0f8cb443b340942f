"""Reading a picture or a GeoTIFF of any size by windows."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.bands import Bands, finite
from ..datasets.marks import marked_rgb
from ..datasets.rasters import to_8_bits
from ..errors import InputError

STRICT = dict(  # GDAL's settings, without which what is missing of a file that was cut short is made up, silently
    GDAL_ERROR_ON_LIBJPEG_WARNING='TRUE',
    GDAL_PNG_WHOLE_IMAGE_OPTIM='NO',
)
INSTALL = "pip install 'mapsage_mmseg[scenes]'"


def rasterio() -> Any:
    """The library, where it is installed.

    Raises:
        InputError: It is not.
    """
    try:
        import rasterio
        import rasterio.features
        import rasterio.warp
    except ImportError as error:
        raise InputError(f'rasterio is not installed: {INSTALL}') from error
    return rasterio


@contextmanager
def silent() -> Iterator[None]:
    """Without rasterio's remarks, as on pictures that lie nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


class Scene:
    """An open picture.

    Args:
        path: Anything that GDAL reads.
        bands: Numbers of its red, green and blue band, from 1; None takes those marked so, or else the first three.
            Where ``wanted`` is given, of the bands that stand for these; None takes their own numbers.
        span: Values that become 0 and 255; None for 8-bit pictures only.
        wanted: The bands that the model was trained on, where it takes values as they are.
        driver: GDAL's, which alone may open it; None for all.

    Attributes:
        height, width: Pixels.
        located: Whether it says where it lies: an affine transform, ground control points or RPCs.
        alpha: Number of the band that says where the picture is transparent; None where there is none, or where it
            is read as one of ``bands``: GDAL marks the fourth of four bands so, be it near infrared.

    Raises:
        InputError: It cannot be read, has too few bands, holds palette indices, or is not 8-bit and has no ``span``
            where the model wants 8 bits.
    """

    def __init__(
        self,
        path: Path,
        bands: Sequence[int] | None = None,
        span: tuple[float, float] | None = None,
        wanted: Bands | None = None,
        driver: str | None = None,
    ) -> None:
        raster = rasterio()
        try:
            with silent():
                self.data = raster.open(path, driver=driver)
        except raster.errors.RasterioIOError as error:
            raise InputError(f'{path} cannot be read: {error}') from error
        self.path, self.span, self.wanted = path, span, wanted
        self.height, self.width = self.data.shape
        self._window = raster.windows.Window
        self._failure = raster.errors.RasterioIOError
        self.bands = list(
            bands or (wanted.numbers if wanted else marked_rgb([kind.name for kind in self.data.colorinterp]))
        )
        self._check()
        self._all_valid = all(raster.enums.MaskFlags.all_valid in flags for flags in self.data.mask_flag_enums)
        alpha = self._alpha()
        self._alpha_is_read = alpha in self.bands
        self.alpha = None if self._alpha_is_read else alpha
        self.located = not self.data.transform.is_identity or bool(self.data.gcps[0]) or self.data.rpcs is not None

    def _alpha(self) -> int | None:
        """The band whose values ``dataset_mask`` goes by."""
        kinds = [kind.name for kind in self.data.colorinterp]
        flags = {flag.name for flag in self.data.mask_flag_enums[0]}
        if 'alpha' in flags and 'alpha' in kinds:
            return kinds.index('alpha') + 1
        # rasterio's 'shadow nodata': then the fourth band's alone decide, whatever the band is
        return 4 if 'nodata' in flags and len(kinds) == 4 and kinds[0] == 'red' else None

    def _check(self) -> None:
        if any(kind.name == 'palette' for kind in self.data.colorinterp):
            raise InputError(f'{self.path} holds numbers of a colour table; turn it into RGB first (gdal_translate)')
        count, kinds = self.data.count, {self.data.dtypes[band - 1] for band in self.bands if band <= self.data.count}
        if max(self.bands) > count or min(self.bands) < 1:
            meant = 'those that the model takes' if self.wanted else 'red, green and blue'
            raise InputError(
                f'{self.path} has {count} bands, where {meant} are bands {self.bands}; name them with --bands, as in '
                '--bands 1 1 1 for a grey picture'
            )
        if self.wanted is None and self.span is None and kinds != {'uint8'}:
            raise InputError(
                f'{self.path} is {", ".join(sorted(kinds))}, and the model wants 8 bits; say with --range LOW HIGH '
                'which values become 0 and 255'
            )

    def block_bytes(self) -> int:
        """What reading one pixel takes, over all bands: pictures are decoded by blocks."""
        return sum(
            height * width * np.dtype(kind).itemsize
            for (height, width), kind in zip(self.data.block_shapes, self.data.dtypes, strict=True)
        )

    def read(self, row: int, column: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The image as the model takes it, RGB (h, w, 3), uint8, or (h, w, B), float32; and which pixels hold data.

        A pixel whose value in one of the bands is no number holds none.

        Raises:
            InputError: The file is damaged there.
        """
        window = self._window(column, row, width, height)
        try:
            pixels = self.data.read(self.bands, window=window)
            known = self._known(window, height, width)
        except self._failure as error:
            raise InputError(f'{self.path} cannot be read at row {row}, column {column}: it is damaged') from error
        if pixels.dtype.kind == 'f':
            known &= np.isfinite(pixels).all(0)
        if self.wanted is not None:
            return finite(pixels.transpose(1, 2, 0), self.wanted), known
        return np.ascontiguousarray(to_8_bits(pixels, self.span).transpose(1, 2, 0)), known

    def _known(self, window: Any, height: int, width: int) -> NDArray[np.bool_]:
        if self._all_valid:
            return np.ones((height, width), bool)
        with silent():  # of a nodata value beside alpha
            if self._alpha_is_read:
                return self.data.read_masks(self.bands, window=window).any(0)
            return self.data.dataset_mask(window=window) > 0

    def thumbnail(self, height: int, width: int) -> NDArray[np.uint8]:
        """The whole of it, RGB (height, width, 3), uint8."""
        small = self.data.read(self.bands, out_shape=(len(self.bands), height, width))
        if self.wanted is not None:
            return self.wanted.picture(finite(small.transpose(1, 2, 0), self.wanted))
        return to_8_bits(small, self.span).transpose(1, 2, 0)

    def __enter__(self) -> 'Scene':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.data.close()
