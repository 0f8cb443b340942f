"""Which bands of a file are red, green and blue."""

from collections.abc import Sequence


def marked_rgb(kinds: Sequence[str]) -> tuple[int, int, int]:
    """Numbers from 1 of the bands that are marked red, green and blue; the first three where not all of them are.

    Args:
        kinds: Of every band, GDAL's colour interpretation, in small letters.
    """
    marked = {kind: number for number, kind in enumerate(kinds, 1)}
    red, green, blue = (marked.get(name, 0) for name in ('red', 'green', 'blue'))
    return (red, green, blue) if red and green and blue else (1, 2, 3)
