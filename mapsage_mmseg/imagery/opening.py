"""Opening of images and masks: safely, at full or reduced size, and scaling of their values."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image

from .limits import check_claim
from .raster import Raster, Window, opened

SETTINGS = dict(
    GDAL_CACHEMAX=128 << 20,  # bytes of decoded blocks; GDAL's default is a twentieth of the machine's memory
    GDAL_DISABLE_READDIR_ON_OPEN='EMPTY_DIR',  # GDAL reads no other files in the folder
    GDAL_ERROR_ON_LIBJPEG_WARNING='TRUE',  # without these two, GDAL invents the rest of a truncated file
    GDAL_PNG_WHOLE_IMAGE_OPTIM='NO',
)


def to_8_bits(pixels: NDArray[Any], span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Scales the values from ``span[0]`` to ``span[1]`` to 0 to 255; values outside become black or white.

    Args:
        pixels: Of any shape; NaN counts as 0, Inf as a value outside.
        span: None keeps 8-bit values.
    """
    if span is None:
        return pixels
    low, high = span
    within = np.nan_to_num(pixels.astype(np.float32)).clip(low, high)
    return ((within - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)


@contextmanager
def open_raster(
    path: Path, colours: bool = True, max_pixels: int | None = None, shrink: int = 1, smooth: bool = True
) -> Iterator[Raster]:
    """Opens a file; only its header is read.

    The first bytes determine the format, and only the decoder of that format may read the file. Files that refer to
    other files or addresses are not opened (see :mod:`~mapsage_mmseg.imagery.formats`).

    Args:
        path: TIFF, PNG, JPEG, JPEG 2000, WebP or BMP.
        colours: Read the colours of a palette image, not its numbers.
        max_pixels: Largest number of pixels that its header may claim; None for any size.
        shrink: Read it at one n-th of its size.
        smooth: Shrink by means (images), not by the nearest pixel (masks).

    Raises:
        InputError: The file has no such format, is damaged, refers to another file, or claims more pixels.
    """
    file = Path(path)
    with rasterio.Env(**SETTINGS), opened(file) as data:
        if max_pixels is not None:
            check_claim(file, data.height * data.width, max_pixels)
        yield Shrunk(file, data, colours, shrink, smooth) if shrink > 1 else Raster(file, data, colours)


class Shrunk(Raster):
    """An image at one n-th of its size; every window decodes the whole file."""

    def __init__(self, path: Path, data: Any, colours: bool, shrink: int, smooth: bool) -> None:
        super().__init__(path, data, colours)
        self._size = Window(0, 0, self.height, self.width)
        self._filter = Image.Resampling.BOX if smooth else Image.Resampling.NEAREST
        self.height, self.width = max(1, self.height // shrink), max(1, self.width // shrink)

    def read_known(
        self, window: Window, bands: Sequence[int], values_only: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        pixels, known = super().read_known(self._size, bands)
        small = [self._resized(pixels[..., number]) for number in range(len(bands))]
        part = np.stack(small, -1)[window.slices]
        if values_only or known is None:
            return part, None
        return part, self._resized(known.astype(np.uint8))[window.slices] > 0

    def _resized(self, plane: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(Image.fromarray(plane).resize((self.width, self.height), self._filter))
