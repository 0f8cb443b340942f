"""The red, green and blue bands of a file."""

from collections.abc import Sequence

# What GDAL calls bands that are parts of another colour space.
OTHER_SPACES = {'hue', 'saturation', 'lightness', 'cyan', 'magenta', 'yellow', 'black', 'Y', 'Cb', 'Cr'}


def marked_rgb(kinds: Sequence[str]) -> tuple[int, int, int]:
    """Numbers from 1 of the bands that are marked red, green and blue; the first three where not all of them are. Of a
    grey picture, with or without transparency, three times its one band.

    Args:
        kinds: Of every band, GDAL's colour interpretation, in small letters.
    """
    marked = {kind: number for number, kind in enumerate(kinds, 1)}
    red, green, blue = (marked.get(name, 0) for name in ('red', 'green', 'blue'))
    if red and green and blue:
        return red, green, blue
    return (1, 1, 1) if len([kind for kind in kinds if kind != 'alpha']) == 1 else (1, 2, 3)
