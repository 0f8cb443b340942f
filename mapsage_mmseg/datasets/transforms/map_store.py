"""Maps of whole images on disk, one file per image, sampled through any affine transform of the image."""

import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from .top_k import keep_top_k, spread

# Exceptions of zipfile and numpy for a missing or damaged file, wherever the damage is.
BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class MapKind:
    """Format of the maps of one source.

    Attributes:
        channels: Number of channels, C.
        stride: Pixels of the image per cell, along both axes.
        top: Number of channels to keep, as log-probabilities; None keeps them all, in float16.
    """

    channels: int
    stride: int
    top: int | None = None


class MapStore:
    """Folder of records, one per image: ``000012.npz`` for image 12.

    A record is an uncompressed archive of one array per source, the image's name and its size. It is written
    atomically, even with interruptions or concurrent writers. The CRC-32 of each array is checked on every read.

    Args:
        folder: Folder of the records.
        kinds: Format of the maps, by source.
    """

    def __init__(self, folder: str | os.PathLike, kinds: Mapping[str, MapKind]) -> None:
        self.folder = Path(folder)
        self.kinds = dict(kinds)

    def path(self, index: int) -> Path:
        """Returns the path of an image's record."""
        return self.folder / f'{index:06d}.npz'

    def write(self, index: int, image: str, size: tuple[int, int], maps: Mapping[str, np.ndarray]) -> None:
        """Writes a record.

        Args:
            index: Index of the image in its dataset.
            image: Path of the image; only its last part is stored.
            size: Height and width in pixels.
            maps: (h, w, C) in float32, by source.

        Raises:
            InputError: A value is too large for float16, or non-finite.
        """
        arrays = {source: _encode(maps[source], kind, source, image) for source, kind in self.kinds.items()}
        staged = self.folder / f'.{index:06d}.{os.getpid()}.tmp'
        with open(staged, 'wb') as file:
            np.savez(file, image=np.array(Path(image).name), size=np.array(size), **arrays)  # type: ignore[arg-type]
        os.replace(staged, self.path(index))

    def sound(self, index: int) -> bool:
        """Returns whether a record exists and is undamaged; reads all of it."""
        try:
            with zipfile.ZipFile(self.path(index)) as archive:
                wanted = {f'{name}.npy' for name in ('image', 'size', *self.kinds)}
                return set(archive.namelist()) == wanted and archive.testzip() is None
        except BROKEN:
            return False

    def sample(
        self, index: int, image: str, size: tuple[int, int], origin: np.ndarray, shape: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Samples the maps on the grid of a transformed image.

        Args:
            index: Index of the image in its dataset.
            image: Path of the image.
            size: Height and width of the whole image in pixels.
            origin: (3, 3); maps (x, y, 1), a pixel's position in the transformed image, to that in the whole image.
            shape: Height and width of the transformed image.

        Returns:
            By source (C, ceil(height / stride), ceil(width / stride)) in float16. Positions outside the whole image
            have the value of its nearest edge.

        Raises:
            InputError: The record is missing, damaged, or of another image.
        """
        path = self.path(index)
        try:
            with np.load(path) as record:
                found = str(record['image']), tuple(record['size'].tolist())
                if found != (Path(image).name, tuple(size)):
                    mine = Path(image).name, tuple(size)
                    raise InputError(
                        f'teacher cache {path} is of {found}, the data has {mine}; remove {self.folder} and start again'
                    )
                return {
                    source: _interpolate(record[source], kind, origin, shape) for source, kind in self.kinds.items()
                }
        except InputError:
            raise
        except BROKEN as error:
            raise InputError(
                f'teacher cache {path} is missing or damaged ({error}); start again, and it is built anew'
            ) from error


def _encode(values: np.ndarray, kind: MapKind, source: str, image: str) -> np.ndarray:
    if not np.isfinite(values).all() or np.abs(values).max() > np.finfo(np.float16).max:
        raise InputError(f'teacher_cache: {source} of {image} has values that float16 cannot hold')
    return keep_top_k(values, kind.top) if kind.top else values.astype(np.float16)


def _decode(entries: np.ndarray, kind: MapKind) -> np.ndarray:
    return spread(entries, kind.channels) if kind.top else entries.astype(np.float32)


def _interpolate(entries: np.ndarray, kind: MapKind, origin: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Interpolates bilinearly between the centres of cells; only the cells that are needed are decoded."""
    stride, middle = kind.stride, (kind.stride - 1) / 2
    y, x = (np.arange(-(-side // stride)) * stride + middle for side in shape)
    (a, b, c), (d, e, f) = origin[:2]
    columns = (a * x[None, :] + b * y[:, None] + c - middle) / stride
    rows = (d * x[None, :] + e * y[:, None] + f - middle) / stride
    top, bottom, down = _neighbours(rows, entries.shape[0])
    left, right, over = _neighbours(columns, entries.shape[1])
    upper, lower = (
        _decode(entries[row, left], kind) * (1 - over) + _decode(entries[row, right], kind) * over
        for row in (top, bottom)
    )
    return np.ascontiguousarray((upper * (1 - down) + lower * down).astype(np.float16).transpose(2, 0, 1))


def _neighbours(positions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the cells before and after each position, and the weight (..., 1) of the latter."""
    positions = positions.clip(0, length - 1)
    before = np.floor(positions).astype(np.intp)
    part = (positions - before).astype(np.float32)[..., None]
    return before, np.minimum(before + 1, length - 1), part
