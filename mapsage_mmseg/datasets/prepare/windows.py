"""Where the tiles of an image lie."""

from collections.abc import Iterator

from ...imagery import Window


def starts(length: int, size: int, stride: int | None) -> list[int]:
    """First pixels of tiles along one side.

    Args:
        length: Of the side, pixels.
        size: Of a tile, pixels. A shorter side is one tile of its own length.
        stride: Pixels from one tile to the next, 1 to ``size``: the last is moved back to the edge, so that all pixels
            are covered. None spreads ``length / size`` tiles, rounded, evenly over the side, with gaps or overlaps.
    """
    last = length - size
    if last <= 0:
        return [0]
    if stride is None:
        count = max(1, round(length / size))
        return [round(last * number / (count - 1)) for number in range(count)] if count > 1 else [0]
    return [*range(0, last, stride), last]


def windows(height: int, width: int, size: int, stride: int | None) -> Iterator[Window]:
    """The tiles of an image from left to right and from top to bottom; arguments as of :func:`starts`."""
    for row in starts(height, size, stride):
        for column in starts(width, size, stride):
            yield Window(row, column, min(size, height), min(size, width))


def tile_name(image: str, window: Window) -> str:
    """Without an ending: ``<image>_r<first row>_c<first column>``."""
    return f'{image}_r{window.row:04d}_c{window.column:04d}'


TILE_SCENE = r'^(.+)_r[0-9]+_c[0-9]+'  # finds the image in it
