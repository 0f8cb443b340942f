"""The red, green and blue bands of a file."""

from collections.abc import Sequence

# GDAL's names of bands in other colour spaces.
OTHER_SPACES = {'hue', 'saturation', 'lightness', 'cyan', 'magenta', 'yellow', 'black', 'Y', 'Cb', 'Cr'}


def marked_rgb(kinds: Sequence[str]) -> tuple[int, int, int]:
    """Returns the numbers, from 1, of the bands that are marked red, green and blue.

    If not all of them are marked, these are the first three bands; for a grey picture, with or without transparency,
    three times its only band.

    Args:
        kinds: GDAL's colour interpretation of every band, in lower case.
    """
    marked = {kind: number for number, kind in enumerate(kinds, 1)}
    red, green, blue = (marked.get(name, 0) for name in ('red', 'green', 'blue'))
    if red and green and blue:
        return red, green, blue
    return (1, 1, 1) if len([kind for kind in kinds if kind != 'alpha']) == 1 else (1, 2, 3)
