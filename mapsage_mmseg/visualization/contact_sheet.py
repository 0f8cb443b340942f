"""A picture with some tiles of a data set and their labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .panels import GAP, IGNORED, PAPER, Colour, Picture, class_colours, colorize, draw_legend, draw_row, grid

OPACITY = 0.45  # of the label over the photograph
SIDE = 256  # maximum pixels of a tile's side
COLUMNS = 3  # tiles side by side, each with its overlay


def contact_sheet(
    tiles: Sequence[tuple[str, str, Picture, NDArray[Any]]], palette: Sequence[Colour], classes: Sequence[str]
) -> Picture:
    """Draws each tile, and beside it the tile with its label overlaid, above a legend.

    Args:
        tiles (Sequence): (name, split, photograph (H, W, 3), 8-bit RGB, class indices (H, W)); of any sizes.
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
    """Tints a photograph in the colours of its classes; ignored pixels are black.

    Args:
        image (ndarray): (H, W, 3), uint8, RGB.
        label (ndarray): Class indices, (H, W); values that are no class are ignored.
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
