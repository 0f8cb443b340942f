"""Windowed reader of pictures and GeoTIFFs of any size."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .bands import Bands
from .images import MISSING_RGB, filled, missing_in, not_8_bit, not_8_bit_rgb
from .opening import open_raster, to_8_bits
from .raster import Window


class Scene:
    """An open picture.

    Args:
        path: File in one of the formats of :mod:`~mapsage_mmseg.imagery.formats`.
        bands: Numbers of its red, green and blue band, from 1; None takes the marked ones, or else the first three.
            With ``wanted``, numbers of the bands to read for those; None takes the numbers in ``wanted``.
        span: Values that become 0 and 255; None for 8-bit pictures only.
        wanted: The bands that the model was trained on, if it takes values as stored.

    Attributes:
        raster: The open file.
        height, width: Pixels.
        bands: Numbers of the bands that are read.
        alpha: Number of the transparency band; None if there is none, or if it is one of ``bands``: GDAL marks the
            fourth of four bands as transparency, even if it is near infrared.

    Raises:
        InputError: It cannot be read, has too few bands, or is not 8-bit although the model needs that and there is no
            ``span``.
    """

    def __init__(
        self,
        path: Path,
        bands: Sequence[int] | None = None,
        span: tuple[float, float] | None = None,
        wanted: Bands | None = None,
    ) -> None:
        self.path, self.span, self.wanted = path, span, wanted
        with ExitStack() as opened:
            self.raster = opened.enter_context(open_raster(path))
            self.height, self.width = self.raster.height, self.raster.width
            self.bands = tuple(bands or (wanted.numbers if wanted else self.raster.rgb))
            self._check(chosen=bool(bands))
            self._opened = opened.pop_all()
        self.alpha = self.raster.hides(self.bands)

    @property
    def located(self) -> bool:
        """Returns whether it has a georeference: an affine transform, ground control points or RPCs."""
        data = self.raster.data
        return not self.raster.transform.is_identity or bool(data.gcps[0]) or data.rpcs is not None

    def _check(self, chosen: bool) -> None:
        count = self.raster.bands
        if self.wanted is None and self.span is None:
            judge = not_8_bit if chosen else not_8_bit_rgb
            if reason := judge(self.raster, 'say with --range LOW HIGH which values become 0 and 255'):
                raise InputError(reason)
        if max(self.bands) > count or min(self.bands) < 1:
            meant = 'those that the model takes' if self.wanted else 'red, green and blue'
            raise InputError(
                f'{self.path} has {count} bands, where {meant} are bands {list(self.bands)}; name them with --bands'
            )

    def block_bytes(self) -> int:
        """Returns the bytes that are decoded to read one pixel of all bands: pictures are decoded in blocks."""
        data = self.raster.data
        return sum(
            height * width * np.dtype(kind).itemsize
            for (height, width), kind in zip(data.block_shapes, data.dtypes, strict=True)
        )

    def read(self, row: int, column: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Reads model input, RGB (h, w, 3), uint8, or (h, w, B), float32; and which pixels hold data (h, w).

        Missing values are filled as in training; see :func:`~mapsage_mmseg.imagery.images.image_of`.

        Raises:
            InputError: The file is damaged there.
        """
        pixels, known = self.raster.read_known(Window(row, column, height, width), self.bands)
        missing = missing_in(self.raster, pixels, known, self.bands)
        if self.wanted is not None:
            image = filled(np.ascontiguousarray(pixels, np.float32), missing, self.wanted.mean)
        else:
            image = filled(to_8_bits(pixels, self.span), missing, MISSING_RGB)
        return image, np.ones((height, width), bool) if known is None else known

    def thumbnail(self, height: int, width: int) -> NDArray[np.uint8]:
        """Reads the whole picture at another size, RGB (height, width, 3), uint8."""
        small = self.raster.read_small(height, width, self.bands)
        if self.wanted is not None:
            return self.wanted.picture(np.where(np.isfinite(small), small, np.asarray(self.wanted.mean, np.float32)))
        return to_8_bits(small, self.span)

    def __enter__(self) -> 'Scene':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()


def check_range(span: Sequence[float] | None) -> None:
    """Refuses an empty range.

    Raises:
        InputError: Its first value is not below its second.
    """
    if span and not span[0] < span[1]:
        raise InputError(f'--range {span[0]:g} {span[1]:g}: the first must be below the second')


def check_bands(bands: Sequence[int] | None, span: Sequence[float] | None, wanted: Bands | None) -> None:
    """Refuses ``--bands`` and ``--range`` that do not fit the model.

    Raises:
        InputError: An option does not fit; the message names it.
    """
    count = len(wanted.numbers) if wanted else 3
    if bands and len(bands) != count:
        raise InputError(f'--bands {" ".join(map(str, bands))}: the model takes {count}')
    if span and wanted:
        raise InputError('--range: the model takes values as they are; leave it out')
