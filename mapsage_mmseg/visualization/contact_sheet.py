"""A few tiles of a data set with their labels, as one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .panels import GAP, IGNORED, PAPER, Colour, Picture, class_colours, colorize, draw_legend, draw_row, grid

OPACITY = 0.45  # of the label over the photograph
SIDE = 256  # pixels that a tile has at most
COLUMNS = 3  # tiles side by side, each with its overlay


def contact_sheet(
    tiles: Sequence[tuple[str, str, Picture, NDArray[Any]]], palette: Sequence[Colour], classes: Sequence[str]
) -> Picture:
    """Lay out tiles beside themselves under their labels, over a legend.

    Args:
        tiles (Sequence): (name, split, photograph (H, W, 3) in RGB of 8 bits, class indices (H, W)); of any sizes.
        palette (Sequence): One (R, G, B), 0 to 255, per class.
        classes (Sequence[str]): The class names.

    Returns:
        ndarray: (height, width, 3), uint8, RGB.
    """
    cells = [
        draw_row([(name, image), (split, overlay(image, label, palette))], SIDE) for name, split, image, label in tiles
    ]
    rows = [_beside(cells[first : first + COLUMNS]) for first in range(0, len(cells), COLUMNS)]
    stacked = grid(rows)
    return grid([stacked, draw_legend(class_colours(classes, palette), stacked.shape[1])])


def overlay(image: Picture, label: NDArray[Any], palette: Sequence[Colour]) -> Picture:
    """Tint a photograph in the colours of its classes; what is ignored is black.

    Args:
        image (ndarray): (H, W, 3), uint8, RGB.
        label (ndarray): Class indices, (H, W); what is no class is ignored.
        palette (Sequence): One (R, G, B), 0 to 255, per class.

    Returns:
        ndarray: (H, W, 3), uint8, RGB.
    """
    colours = colorize(label, palette, IGNORED)
    tinted = (1 - OPACITY) * image + OPACITY * colours
    return np.where((label >= len(palette))[..., None], colours, tinted.round()).astype(np.uint8)


def _beside(cells: Sequence[Picture]) -> Picture:
    height, width = max(cell.shape[0] for cell in cells), sum(cell.shape[1] for cell in cells)
    row = np.empty((height, width + GAP * (len(cells) - 1), 3), np.uint8)
    row[:] = PAPER
    left = 0
    for cell in cells:
        row[: cell.shape[0], left : left + cell.shape[1]] = cell
        left += cell.shape[1] + GAP
    return row
