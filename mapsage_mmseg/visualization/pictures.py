"""Pictures of a run for its report, as small files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..whole_file import whole_file
from .panels import IGNORED, Colour, Picture

MAPS = ('label', 'teacher', 'student')
NO_CLASS = 255  # in a map's file, whatever the data set's ignore value is


@dataclass(frozen=True)
class SavedPicture:
    """One image of a run.

    Attributes:
        stem: Name of the image.
        image: The photograph, (H, W, 3), uint8, RGB.
        maps: Class indices by name, (H, W), uint8; 255 for no class.
        palette: One (R, G, B), 0 to 255, for each of the 256 values.
    """

    stem: str
    image: Picture
    maps: dict[str, NDArray[np.uint8]]
    palette: list[tuple[int, ...]]


def write_picture(
    folder: str | Path, image: Picture, maps: Mapping[str, NDArray[Any]], palette: Sequence[Colour]
) -> None:
    """Writes ``image.jpg`` and one palette PNG per map; files of the same name are replaced.

    Args:
        folder: Folder of this image, ``<run>/pictures/<stem>``; it is created.
        image: (H, W, 3), uint8, RGB.
        maps: Class indices by name ('label', 'teacher', 'student'), (H, W), integers.
        palette: One (R, G, B), 0 to 255, per class; at most 255 classes.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / 'image.jpg') as file:
        Image.fromarray(image).save(file, 'JPEG', quality=90)
    colours = np.tile(np.asarray(IGNORED, np.uint8), (256, 1))
    colours[: len(palette)] = palette
    for name, indices in maps.items():
        known = (indices >= 0) & (indices < len(palette))
        picture = Image.fromarray(np.where(known, indices, NO_CLASS).astype(np.uint8))
        picture.putpalette(colours.tobytes())
        with whole_file(folder / f'{name}.png') as file:
            picture.save(file, 'PNG')


def read_pictures(run: str | Path) -> dict[str, SavedPicture]:
    """Reads the pictures of a run, by stem; skips those that cannot be read, or have no label or student.

    Args:
        run: The run directory.
    """
    found = {}
    for folder in sorted(path.parent for path in Path(run).glob('pictures/*/image.jpg')):
        try:
            opened = {name: Image.open(folder / f'{name}.png') for name in MAPS if (folder / f'{name}.png').is_file()}
            maps = {name: np.asarray(picture) for name, picture in opened.items()}
            colours = np.asarray(opened['label'].getpalette(), np.uint8).reshape(-1, 3)
            with Image.open(folder / 'image.jpg') as photograph:
                image = np.asarray(photograph.convert('RGB'))
        except (OSError, KeyError, ValueError, Image.DecompressionBombError):  # incomplete, or not written by us
            continue
        if 'student' in maps and len({indices.shape for indices in maps.values()}) == 1:
            palette = [tuple(int(value) for value in colour) for colour in colours]
            found[folder.name] = SavedPicture(folder.name, image, maps, palette)
    return found
