"""Positions and names of the tiles of an image."""

from collections.abc import Iterator

from ...imagery import Window
from ...imagery.windows import starts_by_stride


def windows(height: int, width: int, size: int, stride: int | None) -> Iterator[Window]:
    """Yields the tiles of an image from left to right, then top to bottom; arguments as for ``starts_by_stride``."""
    for row in starts_by_stride(height, size, stride):
        for column in starts_by_stride(width, size, stride):
            yield Window(row, column, min(size, height), min(size, width))


def tile_name(image: str, window: Window) -> str:
    """Returns a tile's name without suffix: ``<image>_r<first row>_c<first column>``."""
    return f'{image}_r{window.row:04d}_c{window.column:04d}'


TILE_SCENE = r'^(.+)_r[0-9]+_c[0-9]+'  # finds the image in a tile's name
