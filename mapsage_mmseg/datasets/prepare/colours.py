"""Conversion of the colours or numbers of a mask to class numbers."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..tiles.dataset_yaml import IGNORE, class_names, class_palette, expect, read_yaml

Colour = tuple[int, int, int]

KEYS = ('classes', 'palette', 'ids', 'ignore')
UNLABELLED = ('unlabeled', 'unlabelled')  # what labelling tools call pixels without a class
UNKNOWN = 254  # no class number: there are at most 254 classes, 0 to 253
MOST = 254


@dataclass(frozen=True)
class ClassTable:
    """Meaning of the values in masks.

    Attributes:
        classes: Class names; the position is the class number.
        palette: (R, G, B) per class, in masks of three bands; None if masks hold numbers only.
        ids: Number per class in masks of one band. None means the class number itself, or the colour of a palette image
            if there is a ``palette``.
        ignored_colours, ignored_ids: Values of ignored pixels.
        threshold: Red, green and blue count as 255 from this value on, and as 0 below; None keeps them.
    """

    classes: tuple[str, ...]
    palette: tuple[Colour, ...] | None = None
    ids: tuple[int, ...] | None = None
    ignored_colours: tuple[Colour, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    threshold: int | None = None

    @property
    def by_colour(self) -> bool:
        """Returns whether palette images are read by their colours, not by their numbers."""
        return self.palette is not None and self.ids is None

    def labels(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Returns class numbers (H, W), 255 for ignored values, 254 for unknown values.

        Args:
            pixels: (H, W, B), integers: numbers if B is 1, colours if it is 3 or more (a fourth band is transparency).

        Raises:
            ValueError: The mask is in colours, and there is no palette.
        """
        if pixels.shape[2] >= 3:
            if self.palette is None:
                raise ValueError('no palette')
            codes = _codes(pixels if self.threshold is None else np.where(pixels < self.threshold, 0, 255))
            known: Sequence[int] = [_code(colour) for colour in self.palette]
            ignored: Sequence[int] = [_code(colour) for colour in self.ignored_colours]
        else:
            codes, ignored = pixels[..., 0], self.ignored_ids
            known = self.ids if self.ids is not None else range(len(self.classes))
        labels = np.full(codes.shape, UNKNOWN, np.uint8)
        for value in ignored:
            labels[codes == value] = IGNORE
        for number, value in enumerate(known):
            labels[codes == value] = number
        return labels


def _codes(pixels: NDArray[Any]) -> NDArray[np.int32]:
    red, green, blue = (pixels[..., band].astype(np.int32) for band in range(3))
    return red << 16 | green << 8 | blue


def _code(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def read_classes(file: Path) -> ClassTable:
    """Reads ``classes`` and, if given, ``palette``, ``ids`` and ``ignore`` from YAML or JSON.

    ``classes`` are names, or mappings with ``name`` (or ``title``) and ``color``, as labelling tools write them. In
    mappings, a class called Unlabeled is ignored.

    Raises:
        InputError: The file is missing or not a mapping, or a key is missing, unknown or has a wrong value.
    """
    content = read_yaml(file)  # JSON is YAML
    if not isinstance(content, dict) or 'classes' not in content:
        raise InputError(f'{file} has no key classes; expected "classes: [water, land]", and of {", ".join(KEYS)} more')
    names, palette, ignored = content['classes'], content.get('palette'), content.get('ignore', [])
    expect(isinstance(ignored, list), file, 'ignore', ignored, 'a list of colours or numbers')
    if isinstance(names, list) and any(isinstance(item, dict) for item in names):
        expect(palette is None, file, 'palette', palette, 'no palette beside classes that bring their colours')
        names, palette, unlabelled = _described(file, names)
        ignored = [*ignored, *unlabelled]
    elif unknown := [key for key in content if key not in KEYS]:
        raise InputError(f'{file}: unknown key {unknown[0]!r}; the keys are {", ".join(KEYS)}')
    classes = class_names(file, names)
    expect(len(classes) <= MOST, file, 'classes', f'{len(classes)} names', f'{MOST} at most')
    colours = [_colour(file, 'ignore', item) for item in ignored if type(item) is not int]
    if palette is not None:
        expect(isinstance(palette, list), file, 'palette', palette, 'a list of colours')
        palette = class_palette(file, [list(_colour(file, 'palette', item)) for item in palette], len(classes))
        for colour in palette:
            once = palette.count(colour) == 1 and colour not in colours
            expect(once, file, 'palette', list(colour), 'each colour once, and none that is ignored')
    ids, numbers = _ids(file, content.get('ids'), len(classes)), [item for item in ignored if type(item) is int]
    for number in numbers:
        expect(number not in (ids or range(len(classes))), file, 'ignore', number, 'no number of a class')
    return ClassTable(classes, palette, ids, tuple(colours), tuple(numbers))


def _described(file: Path, items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    names, palette, unlabelled = [], [], []
    for item in items:
        name = item.get('name', item.get('title')) if isinstance(item, dict) else item
        colour = item.get('color', item.get('colour')) if isinstance(item, dict) else None
        expect(colour is not None and name is not None, file, 'classes', item, 'a name and a color in each')
        if str(name).lower() in UNLABELLED:
            unlabelled.append(colour)
        else:
            names.append(name)
            palette.append(colour)
    return names, palette, unlabelled


def _colour(file: Path, key: str, value: Any) -> Colour:
    if isinstance(value, str) and len(value) == 7 and value.startswith('#'):
        with suppress(ValueError):
            value = list(bytes.fromhex(value[1:]))
    fits = isinstance(value, list) and len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value)
    expect(fits, file, key, value, "[red, green, blue], each 0 to 255, or '#3c1098' (in quotes)")
    return value[0], value[1], value[2]


def _ids(file: Path, value: Any, count: int) -> tuple[int, ...] | None:
    if value is None:
        return None
    fits = isinstance(value, list) and len(set(map(str, value))) == count == len(value)
    fits = fits and all(type(number) is int for number in value)
    expect(fits, file, 'ids', value, f'{count} whole numbers, one per class')
    return tuple(value)
