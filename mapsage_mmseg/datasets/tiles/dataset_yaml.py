"""The ``dataset.yaml`` of a folder of tiles."""

import colorsys
import difflib
import os
import reprlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mmengine.logging import print_log

from ...errors import InputError
from ...imagery import Bands
from ...imagery.formats import IMAGE_SUFFIXES
from .parts import scene_pattern

IGNORE = 255  # The label that losses and metrics of MMSegmentation ignore.
KEYS = ('name', 'classes', 'palette', 'ignore_index', 'img_suffix', 'seg_map_suffix', 'scene', 'bands', 'mean', 'std')
MOST_BANDS = 64


_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 80


@dataclass(frozen=True)
class DatasetSpec:
    """Content of a ``dataset.yaml``, with defaults filled in.

    Attributes:
        name: The data set's name.
        classes: One name per class; the position is the label's value.
        palette: (R, G, B) per class, 0 to 255.
        ignore_index: Label value of ignored pixels.
        img_suffix, seg_map_suffix: How the file names of images and labels end.
        scene: Regular expression whose first group names a tile's scene, or None.
        bands: Bands of the images that the model takes; None for the usual three of 8 bits.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore_index: int
    img_suffix: str
    seg_map_suffix: str
    scene: str | None = None
    bands: Bands | None = None


def read_dataset_yaml(data_root: str | os.PathLike) -> DatasetSpec:
    """Reads ``<data_root>/dataset.yaml``.

    Raises:
        InputError: The file is missing or not a YAML mapping, or a key is missing, unknown or has a wrong value.
    """
    root = Path(data_root).expanduser()
    file = root / 'dataset.yaml'
    if not file.is_file():
        raise InputError(f'{file} is missing; it needs at least the lines "name: tiles" and "classes: [water, land]"')
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise InputError(f'{file} holds {type(content).__name__}; expected "key: value" lines with {", ".join(KEYS)}')
    for key in content:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1) if isinstance(key, str) else []
            hint = f'did you mean {near[0]!r}?' if near else f'the keys are {", ".join(KEYS)}'
            raise InputError(f'{file}: unknown key {_shown(key)}; {hint}')
        if content[key] is None:
            raise InputError(f'{file}: key {key!r} has no value; give it one or leave the line out')
    if not {'name', 'classes'} <= set(content):
        raise InputError(f'{file}: key {"classes" if "name" in content else "name"!r} is missing')
    classes = class_names(file, content['classes'])
    ignore_index, img_suffix = content.get('ignore_index', IGNORE), content.get('img_suffix')
    seg_map_suffix = content.get('seg_map_suffix', '.png')
    fits = type(ignore_index) is int and len(classes) <= ignore_index <= 255
    expect(fits, file, 'ignore_index', ignore_index, f'{len(classes)} to 255, outside the classes')
    expect(_is_suffix(seg_map_suffix), file, 'seg_map_suffix', seg_map_suffix, 'the end of a file name, such as .png')
    if img_suffix is None:
        img_suffix = _infer_img_suffix(root)
    expect(_is_suffix(img_suffix), file, 'img_suffix', img_suffix, 'the end of a file name, such as .jpg')
    palette = class_palette(file, content.get('palette'), len(classes))
    name, scene = data_set_name(file, content['name']), content.get('scene')
    if scene is not None:
        scene_pattern(scene, str(file))
    bands = _bands(file, content)
    return DatasetSpec(name, classes, palette, ignore_index, img_suffix, seg_map_suffix, scene, bands)


def read_yaml(file: Path) -> Any:
    """Reads a YAML or JSON file.

    Raises:
        InputError: The file cannot be read, is not YAML, or has an invalid date or number.
    """
    try:
        return yaml.safe_load(file.read_text(encoding='utf-8'))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, OSError) as error:
        raise InputError(f'{file} cannot be read as YAML: {" ".join(str(error).split())[:300]}') from error


def expect(fits: bool, file: Path, key: str, found: Any, expected: str) -> None:
    """Raises an InputError that names file, key and value, unless it ``fits``."""
    if not fits:
        raise InputError(f'{file}: {key} has {_shown(found)}; expected {expected}')


def _shown(value: Any) -> str:
    """Shortens a value for an error message: YAML references can expand a few lines until they fill the memory."""
    try:
        return _SHOWN.repr(value)
    except ValueError:  # a number with more digits than Python prints
        return type(value).__name__


def is_plain(text: str) -> bool:
    """Returns whether a text fits in one line: no control characters, line breaks or undecodable bytes."""
    return not any(unicodedata.category(letter) in ('Cc', 'Cs', 'Zl', 'Zp') for letter in text)


def _is_suffix(value: Any) -> bool:
    # A suffix becomes part of a path, so it must not lead out of the folder.
    return (
        isinstance(value, str)
        and '.' in value
        and '..' not in value
        and not set('/\\') & set(value)
        and is_plain(value)
    )


def data_set_name(file: Path, value: Any) -> str:
    """Validates and returns the name of a data set."""
    # The name may become part of a path elsewhere.
    fits = isinstance(value, str) and value.isprintable() and not set('/\\') & set(value) and value.strip(' .') != ''
    expect(fits, file, 'name', value, 'text without slashes, such as my_tiles')
    return value.strip()


def class_names(file: Path, value: Any) -> tuple[str, ...]:
    """Validates and returns the names of 2 to 255 classes, all different."""
    fits = isinstance(value, list) and 2 <= len(value) <= IGNORE
    expect(fits, file, 'classes', value, f'a list of 2 to {IGNORE} names')
    for item in value:
        fits = isinstance(item, str) and bool(item.strip()) and is_plain(item)
        expect(fits, file, 'classes', item, 'text (YAML reads no, on and numbers as other things: quote them)')
        expect(value.count(item) == 1, file, 'classes', item, 'each name once')
    return tuple(value)


def class_palette(file: Path, value: Any, count: int) -> tuple[tuple[int, int, int], ...]:
    """Validates and returns one (R, G, B) per class; generates colours if there is no value."""
    if value is None:
        # Hues a golden angle apart stay distinct; brightness separates those that hue alone would not.
        colors = [colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.75, (0.95, 0.6)[i % 2]) for i in range(count)]
        return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in colors)
    fits = isinstance(value, list) and len(value) == count
    expect(fits, file, 'palette', value, f'a list of {count} colours, one per class')
    for color in value:
        fits = isinstance(color, list) and len(color) == 3
        fits = fits and all(type(part) is int and 0 <= part <= 255 for part in color)
        expect(fits, file, 'palette', color, '[red, green, blue], each 0 to 255')
    return tuple((r, g, b) for r, g, b in value)


def _bands(file: Path, content: dict[str, Any]) -> Bands | None:
    """Validates ``bands``, ``mean`` and ``std``, which must come together; None if there are none of them."""
    present = [key for key in ('bands', 'mean', 'std') if key in content]
    if not present:
        return None
    for key in ('bands', 'mean', 'std'):
        if key not in content:
            raise InputError(f'{file}: {present[0]} stands there without {key}; bands, mean and std come together')
    numbers = content['bands']
    fits = isinstance(numbers, list) and 1 <= len(numbers) <= MOST_BANDS
    fits = fits and all(type(number) is int and 1 <= number <= 65535 for number in numbers)
    expect(fits, file, 'bands', numbers, f'a list of 1 to {MOST_BANDS} numbers of bands, each from 1')
    for key in ('mean', 'std'):
        values = content[key]
        fits = isinstance(values, list) and len(values) == len(numbers)
        fits = fits and all(type(value) in (int, float) and _is_moderate(value, key == 'std') for value in values)
        kind = 'numbers above 0' if key == 'std' else 'numbers'
        expect(fits, file, key, values, f'a list of {len(numbers)} {kind}, one per band')
    return Bands(tuple(numbers), *(tuple(map(float, content[key])) for key in ('mean', 'std')))


def _is_moderate(value: float, positive: bool) -> bool:
    """Returns whether float32 can compute with a value."""
    return -1e30 < value < 1e30 and (value > 1e-30 or not positive)


def _infer_img_suffix(root: Path) -> str:
    endings = {name.suffix for name in tile_files(root / 'img_dir') if name.suffix.lower() in IMAGE_SUFFIXES}
    found = sorted({ending.lower(): ending for ending in sorted(endings)}.values())
    if len(found) != 1:
        what = f'images that end in {" and ".join(found)}' if found else f'no {", ".join(IMAGE_SUFFIXES)}'
        raise InputError(f'{root / "img_dir"} holds {what}; set img_suffix in {root / "dataset.yaml"}')
    print_log(f'{root / "dataset.yaml"} gives no img_suffix: taking {found[0]}, as in img_dir', logger='current')
    return found[0]


def tile_files(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, relative to it and unsorted; hidden files are skipped, as in MMSegmentation.

    Links of folders are followed, except a link to a folder that contains it, which would never end.
    """
    above: dict[str, tuple[str, ...]] = {}  # by folder, the real paths of the folders that contain it
    for where, folders, names in os.walk(folder, followlinks=True):
        real, around = os.path.realpath(where), above.pop(where, ())
        if real in around:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith('.')]
        above.update((os.path.join(where, name), (*around, real)) for name in folders)
        yield from (Path(where, name).relative_to(folder) for name in names if not name.startswith('.'))
