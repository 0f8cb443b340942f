"""Embedded pictures of a report: the same images across runs."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from ..evaluation.criteria import Record
from .panels import CORRECT, IGNORED, WRONG, Colour, Picture, colorize, difference
from .pictures import NO_CLASS, SavedPicture, read_pictures

LARGEST = 384  # pixels of a tile's longer side


@dataclass(frozen=True)
class Tile:
    """A small picture, or a student's prediction with the map of its errors below.

    Attributes:
        caption: Text below the tile.
        pictures: (data URI, alternative text) of each picture.
        smooth: Allow smooth enlargement; not for class maps, where a mix of two colours would be no class.
    """

    caption: str
    pictures: list[tuple[str, str]]
    smooth: bool = False


@dataclass(frozen=True)
class Pictures:
    """Rows of tiles with their legends.

    Attributes:
        rows: (stem, tiles) of each image.
        classes: Legend of the classes, (name, CSS colour).
        errors: Legend of the maps of errors, (name, CSS colour).
    """

    rows: list[tuple[str, list[Tile]]]
    classes: list[tuple[str, str]]
    errors: list[tuple[str, str]]


def pictures(groups: Mapping[str, Sequence[Record]]) -> Pictures:
    """Collects the pictures of one run per experiment: the first run that has any.

    Args:
        groups: Runs by experiment. A run without ``path`` has no pictures.
    """
    saved = {name: found for name, runs in groups.items() if (found := _first(runs))}
    classes: list[str] = next((run['dataset']['classes'] for runs in groups.values() for run in runs), [])
    by_stem: dict[str, dict[str, SavedPicture]] = {}
    for name, found in saved.items():
        for stem, picture in found.items():
            by_stem.setdefault(stem, {})[name] = picture
    rows = [(stem, _row(stem, found, len(classes))) for stem, found in sorted(by_stem.items())]
    palette = next((picture.palette for found in by_stem.values() for picture in found.values()), [])
    legend = [(name, css_colour(colour)) for name, colour in zip(classes, palette, strict=False)]
    errors = [('right', css_colour(CORRECT)), ('wrong', css_colour(WRONG)), ('ignored', css_colour(IGNORED))]
    return Pictures(rows, legend, errors)


def _first(runs: Sequence[Record]) -> dict[str, SavedPicture]:
    found = (read_pictures(Path(run['path']).parent) for run in runs if run.get('path'))
    return next((pictures for pictures in found if pictures), {})


def _row(stem: str, found: Mapping[str, SavedPicture], classes: int) -> list[Tile]:
    first = next(iter(found.values()))
    label = first.maps['label']
    paint = lambda indices: map_uri(colorize(indices, first.palette[:classes]))  # noqa: E731
    tiles = [
        Tile('image', [(photograph_uri(first.image), f'Photograph {stem}')], smooth=True),
        Tile('label', [(paint(label), f'Labelled classes of {stem}')]),
    ]
    teacher = next((picture.maps['teacher'] for picture in found.values() if 'teacher' in picture.maps), None)
    if teacher is not None and teacher.shape == label.shape:
        told = f'Classes that the teacher sees in {stem}'
        tiles.append(Tile(f'teacher, {_right(teacher, label)}', [(paint(teacher), told)]))
    for name, picture in found.items():
        student = picture.maps['student']
        if student.shape != label.shape:
            continue
        right = _right(student, label)
        seen = paint(student), f'Classes that {name} sees in {stem}'
        wrong = map_uri(difference(student, label, classes)), f'Where {name} differs from the label of {stem}; {right}'
        tiles.append(Tile(f'{name}, {right}', [seen, wrong]))
    return tiles


def _right(prediction: NDArray[Any], label: NDArray[Any]) -> str:
    valid = label != NO_CLASS
    return f'{100 * float((prediction == label)[valid].mean()):.0f} % right' if valid.any() else 'nothing labelled'


def photograph_uri(pixels: Picture, largest: int = LARGEST) -> str:
    """Returns a photograph (H, W, 3) as a JPEG data URI; its longer side has at most ``largest`` pixels."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((largest, largest))
    return _encoded(picture, 'JPEG', quality=85)


def map_uri(pixels: Picture, largest: int = LARGEST) -> str:
    """Returns painted classes (H, W, 3) as a PNG data URI of the same maximum size, without mixing colours."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((largest, largest), Image.Resampling.NEAREST)
    return _encoded(picture.quantize(256, dither=Image.Dither.NONE), 'PNG', optimize=True)


def _encoded(picture: Image.Image, form: str, **settings: Any) -> str:
    file = BytesIO()
    picture.save(file, form, **settings)
    return f'data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}'


def css_colour(colour: Colour) -> str:
    """Returns a CSS colour for (R, G, B), 0 to 255."""
    return 'rgb({}, {}, {})'.format(*colour)
