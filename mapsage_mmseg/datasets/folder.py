"""A folder of the user's own tiles, described by its ``dataset.yaml``."""

import colorsys
import difflib
import hashlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import yaml
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image
from rich.progress import Progress

from ..errors import InputError

SPLITS = ('train', 'val')
IGNORE = 255  # What the losses and metrics of MMSegmentation ignore.
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.webp')
KEYS = ('name', 'classes', 'palette', 'ignore_index', 'img_suffix', 'seg_map_suffix')
MANY_FILES = 200  # From here on a check takes long enough to show its progress.
HASHED_WHOLE = 20_000  # Files; beyond, reading them all costs minutes at every start.


@dataclass(frozen=True)
class DatasetSpec:
    """What a ``dataset.yaml`` says, with its defaults filled in.

    Attributes:
        name: The data set's name.
        classes: One name per class; the position is the label's value.
        palette: (R, G, B) per class, 0 to 255.
        ignore_index: The label's value for pixels that count nowhere.
        img_suffix, seg_map_suffix: How the file names of images and labels end.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore_index: int
    img_suffix: str
    seg_map_suffix: str


def read_dataset_yaml(data_root: str | os.PathLike) -> DatasetSpec:
    """Reads ``<data_root>/dataset.yaml``.

    Raises:
        InputError: The file is missing or no YAML mapping, or a key is missing, unknown or has a wrong value.
    """
    root = Path(data_root).expanduser()
    file = root / 'dataset.yaml'
    if not file.is_file():
        raise InputError(f'{file} is missing; it needs at least the lines "name: tiles" and "classes: [water, land]"')
    try:
        content = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f'{file} cannot be read as YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise InputError(f'{file} holds {type(content).__name__}; expected "key: value" lines with {", ".join(KEYS)}')
    for key in content:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            hint = f'did you mean {near[0]!r}?' if near else f'the keys are {", ".join(KEYS)}'
            raise InputError(f'{file}: unknown key {key!r}; {hint}')
        if content[key] is None:
            raise InputError(f'{file}: key {key!r} has no value; give it one or leave the line out')
    if not {'name', 'classes'} <= set(content):
        raise InputError(f'{file}: key {"classes" if "name" in content else "name"!r} is missing')
    classes = _classes(file, content['classes'])
    ignore_index, img_suffix = content.get('ignore_index', IGNORE), content.get('img_suffix')
    seg_map_suffix = content.get('seg_map_suffix', '.png')
    fits = type(ignore_index) is int and len(classes) <= ignore_index <= 255
    _expect(fits, file, 'ignore_index', ignore_index, f'{len(classes)} to 255, outside the classes')
    _expect(_is_suffix(seg_map_suffix), file, 'seg_map_suffix', seg_map_suffix, 'the end of a file name, such as .png')
    if img_suffix is None:
        img_suffix = _infer_img_suffix(root)
    _expect(_is_suffix(img_suffix), file, 'img_suffix', img_suffix, 'the end of a file name, such as .jpg')
    palette = _palette(file, content.get('palette'), len(classes))
    return DatasetSpec(_name(file, content['name']), classes, palette, ignore_index, img_suffix, seg_map_suffix)


def _expect(fits: bool, file: Path, key: str, found: Any, expected: str) -> None:
    if not fits:
        raise InputError(f'{file}: {key} has {found!r}; expected {expected}')


def _is_suffix(value: Any) -> bool:
    # A suffix is joined to a path: nothing in it may lead out of the folder.
    return isinstance(value, str) and '.' in value and '..' not in value and not set('/\\') & set(value)


def _name(file: Path, value: Any) -> str:
    # The name may become part of a path elsewhere.
    fits = isinstance(value, str) and value.isprintable() and not set('/\\') & set(value) and value.strip(' .') != ''
    _expect(fits, file, 'name', value, 'text without slashes, such as my_tiles')
    return value.strip()


def _classes(file: Path, value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list) and 2 <= len(value) <= IGNORE
    _expect(fits, file, 'classes', value, f'a list of 2 to {IGNORE} names')
    for item in value:
        fits = isinstance(item, str) and bool(item.strip())
        _expect(fits, file, 'classes', item, 'text (YAML reads no, on and numbers as other things: quote them)')
        _expect(value.count(item) == 1, file, 'classes', item, 'each name once')
    return tuple(value)


def _palette(file: Path, value: Any, count: int) -> tuple[tuple[int, int, int], ...]:
    if value is None:
        # Hues a golden angle apart never come near each other; brightness separates what hue alone would not.
        colors = [colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.75, (0.95, 0.6)[i % 2]) for i in range(count)]
        return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in colors)
    fits = isinstance(value, list) and len(value) == count
    _expect(fits, file, 'palette', value, f'a list of {count} colours, one per class')
    for color in value:
        fits = isinstance(color, list) and len(color) == 3
        fits = fits and all(type(part) is int and 0 <= part <= 255 for part in color)
        _expect(fits, file, 'palette', color, '[red, green, blue], each 0 to 255')
    return tuple((r, g, b) for r, g, b in value)


def _infer_img_suffix(root: Path) -> str:
    found = sorted({name.suffix for name in _files(root / 'img_dir') if name.suffix.lower() in IMAGE_SUFFIXES})
    if len(found) != 1:
        endings = f'images that end in {" and ".join(found)}' if found else f'no {", ".join(IMAGE_SUFFIXES)}'
        raise InputError(f'{root / "img_dir"} holds {endings}; set img_suffix in {root / "dataset.yaml"}')
    print_log(f'{root / "dataset.yaml"} gives no img_suffix: taking {found[0]}, as in img_dir', logger='current')
    return found[0]


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, relative to it and unsorted, without hidden ones, which MMSegmentation leaves out too."""
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.')]
        yield from (Path(where, name).relative_to(folder) for name in names if not name.startswith('.'))


def _pairs(root: Path, spec: DatasetSpec, split: str) -> list[tuple[Path, Path]]:
    """The (image, label) files of a split, sorted by name.

    Raises:
        InputError: A folder is missing, there is no image, or an image has no label.
    """
    images, labels = root / 'img_dir' / split, root / 'ann_dir' / split
    for folder in (images, labels):
        if not folder.is_dir():
            raise InputError(f'{folder} is missing; expected img_dir/ and ann_dir/, each with {" and ".join(SPLITS)}')
    names = sorted(str(name) for name in _files(images) if name.name.endswith(spec.img_suffix))
    if not names:
        raise InputError(f'{images} holds no file that ends in {spec.img_suffix} (img_suffix); expected one at least')
    present = {str(name) for name in _files(labels)}
    wanted = [name[: -len(spec.img_suffix)] + spec.seg_map_suffix for name in names]
    pairs = [(images / image, labels / label) for image, label in zip(names, wanted, strict=True)]
    missing = [pair for pair, label in zip(pairs, wanted, strict=True) if label not in present]
    if missing:
        raise InputError(f'{missing[0][0]} has no label (one of {len(missing)} such images); expected {missing[0][1]}')
    return pairs


def check_folder(data_root: str | os.PathLike, spec: DatasetSpec) -> None:
    """Reads every image and label once, as training would, and says what training would stumble over.

    Raises:
        InputError: A split is missing or empty, an image has no label, a file cannot be read, an image and its label
            differ in size, or a label holds neither a class nor ``ignore_index``. Names the first such file.
    """
    root = Path(data_root).expanduser()
    pairs = {split: _pairs(root, spec, split) for split in SPLITS}
    total = sum(map(len, pairs.values()))
    with Progress(transient=True, disable=total < MANY_FILES or not sys.stdout.isatty()) as progress:
        task = progress.add_task('Checking the data', total=total)
        for split in SPLITS:
            pixels = np.zeros(len(spec.classes), np.int64)
            for counts in _in_threads(lambda pair: _check_pair(pair[0], pair[1], spec), pairs[split]):
                pixels += counts
                progress.advance(task)
            folder = root / 'ann_dir' / split
            if not pixels.any():
                raise InputError(f'{folder}: every pixel is {spec.ignore_index} (ignore_index); expected some classes')
            for name in np.array(spec.classes)[pixels == 0]:
                print_log(f'{folder}: no pixel of class {name}', logger='current', level=logging.WARNING)


def _in_threads(function: Callable[[Any], Any], jobs: list[Any]) -> Iterator[Any]:
    """Results in the order of the jobs; the first error ends the rest."""
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        yield from pool.map(function, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _check_pair(image: Path, label: Path, spec: DatasetSpec) -> np.ndarray:
    """Pixels of each class in one label, (C,)."""
    height, width = _read_image(image).shape[:2]
    try:
        # As mmseg's LoadAnnotations reads it: the indices of a palette image, not its colours.
        values = mmcv.imfrombytes(label.read_bytes(), flag='unchanged', backend='pillow').squeeze()
    except Exception as error:  # Pillow's decoders raise whatever they like on broken files.
        raise InputError(f'{label} cannot be read ({type(error).__name__}); it is damaged or no image') from error
    if values.ndim != 2 or values.dtype.kind not in 'bui':
        raise InputError(f'{label} is {values.dtype} of shape {values.shape}; expected one channel of class numbers')
    if values.shape != (height, width):
        size = f'{values.shape[1]}x{values.shape[0]}'
        raise InputError(f'{label} has {size} pixels; expected {width}x{height}, as its image {image.name} has')
    outside = (values < 0) | (values >= len(spec.classes)) & (values != spec.ignore_index)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        valid = f'0 to {len(spec.classes) - 1} (classes) or {spec.ignore_index} (ignore_index)'
        raise InputError(f'{label}: label {values[row, column]} at row {row}, column {column}; expected {valid}')
    return np.bincount(values.ravel().astype(np.int64), minlength=len(spec.classes))[: len(spec.classes)]


def _read_image(file: Path) -> np.ndarray:
    """(H, W, 3), decoded as mmcv's LoadImageFromFile does."""
    try:
        content = file.read_bytes()
        pixels = mmcv.imfrombytes(content, flag='color', backend='cv2')
    except Exception as error:
        raise InputError(f'{file} cannot be read ({type(error).__name__}); it is damaged or no image') from error
    if pixels is None:
        raise InputError(f'{file} cannot be read; it is damaged or no image that OpenCV knows')
    try:
        Image.open(io.BytesIO(content)).load()
    except Exception as error:  # What else Pillow dislikes, OpenCV reads; but it fills a cut file with grey.
        if 'truncated' in str(error):
            raise InputError(f'{file} cannot be read to its end; it was cut short') from error
    return pixels


def fingerprint(data_root: str | os.PathLike, spec: DatasetSpec) -> str:
    """A key of the content: the same for a copy elsewhere, another when a tile or the meaning of a label changes.

    Beyond ``HASHED_WHOLE`` files, names and sizes stand for the content. The palette changes no label and is left out.

    Returns:
        SHA-256, 64 hexadecimal digits.

    Raises:
        InputError: As :func:`check_folder` for missing files and splits.
    """
    root = Path(data_root).expanduser()
    files = [file for split in SPLITS for pair in _pairs(root, spec, split) for file in pair]
    meaning = {key: value for key, value in asdict(spec).items() if key != 'palette'}
    digest = hashlib.sha256(json.dumps([meaning, len(files) > HASHED_WHOLE], sort_keys=True).encode())
    for file in files:
        digest.update(f'\n{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0'.encode())
        if len(files) <= HASHED_WHOLE:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@DATASETS.register_module()
class FolderLandCover(BaseSegDataset):
    """Tiles in ``img_dir/{train,val}`` and labels in ``ann_dir/{train,val}``, with a ``dataset.yaml`` beside them.

    Labels of ``ignore_index`` reach the pipeline as 255, whatever the file says: losses and metrics ignore that one.

    Args:
        data_root: The folder.
        split: ``'train'`` or ``'val'``.
        kwargs: As for :class:`mmseg.datasets.BaseSegDataset`; classes, palette and suffixes come from ``dataset.yaml``.

    Raises:
        InputError: As :func:`read_dataset_yaml`; or the split is unknown, missing or empty, or an image has no label.
    """

    def __init__(self, data_root: str, split: str = 'train', **kwargs: Any) -> None:
        if split not in SPLITS:
            raise InputError(f'FolderLandCover: split={split!r}; expected {" or ".join(map(repr, SPLITS))}')
        self.split = split
        self.spec = read_dataset_yaml(data_root)
        super().__init__(
            data_root=str(Path(data_root).expanduser()),
            metainfo={'classes': self.spec.classes, 'palette': [list(color) for color in self.spec.palette]},
            img_suffix=self.spec.img_suffix,
            seg_map_suffix=self.spec.seg_map_suffix,
            **kwargs,
        )
        self._metainfo['name'] = self.spec.name  # Not by the argument: MMEngine takes text there for a file's name.

    def load_data_list(self) -> list[dict[str, Any]]:
        """One entry per image, sorted by name: exactly the files that :func:`check_folder` looks at."""
        label_map = None if self.spec.ignore_index == IGNORE else {self.spec.ignore_index: IGNORE}
        pairs = _pairs(Path(self.data_root), self.spec, self.split)
        same = {'label_map': label_map, 'reduce_zero_label': self.reduce_zero_label}
        return [{'img_path': str(image), 'seg_map_path': str(seg), 'seg_fields': [], **same} for image, seg in pairs]
