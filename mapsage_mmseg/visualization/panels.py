"""A picture of image, label and predictions side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError

Picture = NDArray[np.uint8]  # (H, W, 3), RGB
Colour = Sequence[int]

MIN_TILE, MAX_TILE = 192, 512  # pixels of a tile's shorter and longer side in the picture
GAP = 6
FONT_SIZE = 14
LINE = 22  # height of a caption or of a line of the legend, pixels
PAPER, INK = (255, 255, 255), (20, 20, 20)
CORRECT, WRONG, IGNORED = (200, 200, 200), (214, 39, 40), (0, 0, 0)


def colorize(label: NDArray[Any], palette: Sequence[Colour], ignore_colour: Colour = IGNORED) -> Picture:
    """Paints class indices in their colours.

    Args:
        label (ndarray): Class indices, (H, W), integers.
        palette (Sequence): One (R, G, B), 0 to 255, per class.
        ignore_colour (Sequence[int]): (R, G, B) for every value that is no class, such as the ignore label.

    Returns:
        ndarray: (H, W, 3), uint8, RGB.

    Raises:
        InputError: ``label`` is not two-dimensional or has no integer type, or a colour is not (R, G, B).
    """
    label = _indices(label, 'label')
    colours = np.asarray([*palette, ignore_colour])
    if colours.ndim != 2 or colours.shape[1] != 3 or colours.min() < 0 or colours.max() > 255:
        raise InputError('palette: one [red, green, blue], each 0 to 255, per class is needed')
    others = len(palette)
    return colours.astype(np.uint8)[np.where((label >= 0) & (label < others), label, others)]


def difference(prediction: NDArray[Any], label: NDArray[Any], num_classes: int) -> Picture:
    """Paints correct pixels grey, wrong ones red and ignored ones black.

    Args:
        prediction (ndarray): Class indices, (H, W), integers.
        label (ndarray): Class indices, (H, W), integers; values that are no class are ignored.
        num_classes (int): Number of classes.

    Returns:
        ndarray: (H, W, 3), uint8, RGB.
    """
    valid = (label >= 0) & (label < num_classes)
    return colorize(np.where(valid, prediction != label, 2), (CORRECT, WRONG), IGNORED)


def panel(
    image: Picture,
    label: NDArray[Any],
    predictions: Mapping[str, NDArray[Any]],
    palette: Sequence[Colour],
    classes: Sequence[str],
    legend: bool = True,
) -> Picture:
    """Draws image | label | one tile per prediction | map of errors, above a legend.

    Small tiles are enlarged by an integer factor so that the shorter side has at least 192 pixels; the longer side is
    limited to 512.

    Args:
        image (ndarray): (H, W, 3), uint8, RGB.
        label (ndarray): Class indices, (H, W), integers; values that are no class are ignored.
        predictions (Mapping[str, ndarray]): Caption to class indices, (H, W), in the order of the tiles: usually
            ``{'teacher': ..., 'student': ...}``. The map of errors compares the one named 'student', or else the last,
            with the label.
        palette (Sequence): One (R, G, B), 0 to 255, per class.
        classes (Sequence[str]): The class names.
        legend (bool): Draw the legend. In a ``grid``, only the last row needs one.

    Returns:
        ndarray: (height, width, 3), uint8, RGB.

    Raises:
        InputError: There are no predictions, or sizes, types, or the numbers of classes and colours do not match.
    """
    image, label = np.asarray(image), _indices(label, 'label')
    predictions = {name: _indices(prediction, name) for name, prediction in predictions.items()}
    _check(image, label, predictions, palette, classes)
    compared = 'student' if 'student' in predictions else list(predictions)[-1]
    valid = (label >= 0) & (label < len(classes))
    tiles = [('image', image), ('label', colorize(label, palette))]
    for name, prediction in predictions.items():
        right = f': {100 * float((prediction == label)[valid].mean()):.0f} % right' if valid.any() else ''
        tiles.append((name + right, colorize(prediction, palette)))
    tiles.append((f'{compared} vs label', difference(predictions[compared], label, len(classes))))
    row = draw_row(tiles)
    if not legend:
        return row
    compared_colours = [('correct', CORRECT), ('wrong', WRONG)]
    return grid([row, draw_legend([*class_colours(classes, palette), *compared_colours], row.shape[1])])


def grid(rows: Sequence[Picture]) -> Picture:
    """Stacks pictures, usually panels, from top to bottom; narrower ones are padded on the right.

    Args:
        rows (Sequence[ndarray]): Each (height, width, 3), uint8, RGB.

    Returns:
        ndarray: (sum of the heights, largest width, 3), uint8, RGB.

    Raises:
        InputError: There are no rows.
    """
    if not len(rows):
        raise InputError('grid: no rows: at least one picture is needed')
    width = max(row.shape[1] for row in rows)
    paper = np.asarray(PAPER, np.uint8)
    stacked = np.broadcast_to(paper, (sum(row.shape[0] for row in rows), width, 3)).copy()
    top = 0
    for row in rows:
        stacked[top : top + row.shape[0], : row.shape[1]] = row
        top += row.shape[0]
    return stacked


def _indices(label: NDArray[Any], name: str) -> NDArray[Any]:
    label = np.asarray(label)
    if label.ndim != 2 or label.dtype.kind not in 'iub':
        raise InputError(f'{name}: {label.dtype} {label.shape}: class indices, integers of shape (H, W), are needed')
    return label.astype(np.int64)


def _check(
    image: Picture,
    label: NDArray[Any],
    predictions: Mapping[str, NDArray[Any]],
    palette: Sequence[Colour],
    classes: Sequence[str],
) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f'image: {image.dtype} {image.shape}: an RGB picture, uint8 of shape (H, W, 3), is needed')
    if not predictions:
        raise InputError('predictions: none given: at least one name and map is needed')
    if len(palette) != len(classes):
        raise InputError(f'palette: {len(palette)} colours for {len(classes)} classes: one per class is needed')
    for name, indices in {'label': label, **predictions}.items():
        if indices.shape != image.shape[:2]:
            raise InputError(f'{name}: (H, W) is {indices.shape}, but the image is {image.shape[:2]}')


def draw_row(tiles: Sequence[tuple[str, Picture]], largest: int = MAX_TILE) -> Picture:
    """Draws (caption, tile) pairs of equal size in a row, the photograph first; a tile's longer side has at most
    ``largest`` pixels."""
    height, width = tiles[0][1].shape[:2]
    factor = max(1.0, float(np.ceil(MIN_TILE / min(height, width))))
    factor = min(factor, largest / max(height, width))
    width, height = max(1, round(width * factor)), max(1, round(height * factor))
    canvas = Image.new('RGB', (GAP + (width + GAP) * len(tiles), LINE + height + GAP), PAPER)
    draw, font = ImageDraw.Draw(canvas), _font()
    for column, (caption, tile) in enumerate(tiles):
        left = GAP + (width + GAP) * column
        draw.text((left, LINE / 2), _shortened(caption, width, font), INK, font, anchor='lm')
        # Only the photograph is smoothed: a mix of two classes' colours would be no class.
        smoothing = Image.Resampling.NEAREST if column else Image.Resampling.BICUBIC
        canvas.paste(Image.fromarray(tile).resize((width, height), smoothing), (left, LINE))
    return np.asarray(canvas)


def _shortened(text: str, width: int, font: Any) -> str:
    """Returns the text, cut to ``width`` pixels so that it does not overlap the next caption."""
    if not text.isascii():
        text = text.encode('ascii', 'replace').decode()
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text


def class_colours(classes: Sequence[str], palette: Sequence[Colour]) -> list[tuple[str, Colour]]:
    """Returns the entries of a legend: each class, and ``ignored``."""
    return [*((_printable(name, index), palette[index]) for index, name in enumerate(classes)), ('ignored', IGNORED)]


def draw_legend(entries: Sequence[tuple[str, Colour]], width: int) -> Picture:
    """Draws names and colours, in as many lines as the width requires."""
    font, swatch = _font(), LINE - 8
    places, left, top = [], GAP, 0
    for text, _ in entries:
        extent = swatch + GAP + round(font.getlength(text)) + 3 * GAP
        if left > GAP and left + extent > width:
            left, top = GAP, top + LINE
        places.append((left, top))
        left += extent
    canvas = Image.new('RGB', (width, top + LINE + GAP), PAPER)
    draw = ImageDraw.Draw(canvas)
    for (text, colour), (left, top) in zip(entries, places, strict=True):
        draw.rectangle((left, top + 4, left + swatch, top + 4 + swatch), tuple(colour), outline=INK)
        draw.text((left + swatch + GAP, top + LINE / 2), text, INK, font, anchor='lm')
    return np.asarray(canvas)


def _printable(name: str, index: int) -> str:
    """Returns the name if it is ASCII, else ``class <index>``: Pillow's built-in font has Latin letters only."""
    return name if name.isascii() else f'class {index}'


def _font() -> Any:
    return ImageFont.load_default(FONT_SIZE)
