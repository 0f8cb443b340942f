"""Picture, label and predictions as HTML with embedded images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .panels import WRONG, Colour, Picture, colorize, difference
from .pictures import NO_CLASS
from .report import environment
from .tiles import Tile, css_colour, map_uri, photograph_uri

LARGEST = 768  # pixels of a picture's longer side in the page


def agreement(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Returns the percentage of equal pixels, among those with a class in both maps (H, W); None if there are none."""
    valid = (one != NO_CLASS) & (other != NO_CLASS)
    return 100 * float((one == other)[valid].mean()) if valid.any() else None


def shares(indices: NDArray[Any], classes: int) -> list[float]:
    """Returns the percentage of each class among the pixels of a map (H, W) with a class; zeros if there are none."""
    counts = np.bincount(indices[indices < classes].ravel(), minlength=classes)
    return [100 * float(count) / max(1, int(counts.sum())) for count in counts]


def render(
    image: Picture,
    maps: Mapping[str, NDArray[Any]],
    classes: Sequence[str],
    palette: Sequence[Colour],
    models: Sequence[Mapping[str, Any]],
    title: str,
) -> str:
    """Renders the result for one picture.

    Args:
        image: (H, W, 3), uint8, RGB.
        maps: Class indices, (H, W), 255 for no class, by name: ``student``, and optionally ``label`` and ``teacher``.
        classes: Class names.
        palette: (R, G, B), 0 to 255, per class.
        models: ``name``, ``milliseconds``, ``megabytes``, ``params_m`` and ``mIoU`` of each model.
        title: Title of the picture.

    Returns:
        HTML; all names are escaped.
    """
    reference = next((name for name in ('teacher', 'label') if name in maps), None)
    differ = difference(maps['student'], maps[reference], len(classes)) if reference else None
    return (
        environment()
        .get_template('side_by_side.html.j2')
        .render(
            title=title,
            size=f'{image.shape[1]} × {image.shape[0]} pixels',
            photograph=photograph_uri(image, LARGEST),
            tiles=[Tile(_caption(name, maps), [(_uri(found, palette), name)]) for name, found in maps.items()],
            reference=reference,
            agree=agreement(maps['student'], maps[reference]) if reference else None,
            differ=None if differ is None else map_uri(differ, LARGEST),
            legend=[(name, css_colour(colour)) for name, colour in zip(classes, palette, strict=True)],
            wrong=css_colour(WRONG),
            unlabelled=any((found == NO_CLASS).any() for found in maps.values()),
            shares={name: shares(found, len(classes)) for name, found in maps.items()},
            models=models,
        )
    )


def _uri(indices: NDArray[Any], palette: Sequence[Colour]) -> str:
    return map_uri(colorize(indices, palette), LARGEST)


def _caption(name: str, maps: Mapping[str, NDArray[Any]]) -> str:
    right = agreement(maps[name], maps['label']) if 'label' in maps and name != 'label' else None
    return name if right is None else f'{name}, {right:.1f} % as labelled'
