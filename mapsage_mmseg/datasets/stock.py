"""MMSegmentation's own data sets: checks of their files, and a key of their names and sizes."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..errors import InputError
from .synthetic.dataset import SyntheticLandCover
from .tiles.dataset import FolderLandCover
from .tiles.parts import PARTS, tuning_names

PAGE = 'https://mmsegmentation.readthedocs.io/en/latest/user_guides/2_dataset_prepare.html'
MIM = 'mim run mmsegmentation {} DOWNLOAD -o {{}}'
# Without this change the masks lose their classes under Pillow 10 and later (open-mmlab/mmsegmentation#1504).
MENDED = (
    'sed "s/, mode=\'P\'//" $(python -c "import mmseg; print(*mmseg.__path__)")/.mim/tools/dataset_converters/isaid.py '
    '| python - DOWNLOAD -o {}'
)
SOURCES = {  # by type: the command that converts the download, and the section of PAGE about it
    'LoveDADataset': (MIM.format('loveda'), '#loveda'),
    'PotsdamDataset': (MIM.format('potsdam'), '#isprs-potsdam'),
    'ISPRSDataset': (MIM.format('vaihingen'), '#isprs-vaihingen'),
    'iSAIDDataset': (MENDED, '#isaid'),
}
SCENES = {  # by type: pattern of the scene in the file names that the converters give
    'PotsdamDataset': r'^(\d+_\d+)_',
    'ISPRSDataset': r'^(area\d+)_',
    'iSAIDDataset': r'^(P\d+)_',
}


def has_own_layout(dataset: Mapping[str, Any]) -> bool:
    """Returns whether a data set has a local folder, and a class that defines the layout of that folder.

    Any class of MMSegmentation, or derived from one, does so, except ``FolderLandCover`` and ``SyntheticLandCover``.
    """
    named = dataset.get('type')
    kind = DATASETS.get(named) if isinstance(named, str) else named
    if not isinstance(kind, type) or issubclass(kind, FolderLandCover | SyntheticLandCover):
        return False
    local = isinstance(dataset.get('data_root'), str) and not dataset.get('backend_args')
    return local and issubclass(kind, BaseSegDataset)


def check_layout(dataset: Mapping[str, Any]) -> None:
    """Checks that the folders, images and labels of a data set exist, and reads the header of one label.

    Args:
        dataset: Config of the data set; see :func:`has_own_layout`.

    Raises:
        InputError: A folder or a label is missing, there is no image, or the labels cannot hold the classes. The
            message explains how to get the data.
    """
    root = Path(dataset['data_root'])
    for folder in (root, *(root / name for name in dataset.get('data_prefix', {}).values())):
        if not folder.is_dir():
            raise InputError(f'{folder} is missing: {_how_to_get(dataset)}')
    found = _listed(dataset)
    label = found.data_list[0].get('seg_map_path') if found.data_list else None
    if label is None:
        raise InputError(f'{root} holds no image with a label: {_how_to_get(dataset)}')
    _digest(found.data_list, dataset)
    if _bits(label) == 1 and len(found.metainfo['classes']) > 2:
        raise InputError(f'{label} has one bit a pixel, so its classes are lost: {_how_to_get(dataset)}')


def names_and_sizes(dataset: Mapping[str, Any]) -> str:
    """Returns a key of the names and sizes of the files.

    A copy elsewhere has the same key; it changes when a file is added, removed or changes its size. Contents are not
    read: the largest of these sets has 90,000 files.

    Args:
        dataset: Config of the data set; see :func:`has_own_layout`.

    Returns:
        SHA-256, 64 hexadecimal digits.

    Raises:
        InputError: An image or its label is missing.
    """
    return _digest(_listed(dataset).data_list, dataset)


def divide(dataset: Mapping[str, Any], scene: str | None) -> dict[str, list[str]]:
    """Returns the names of the images to fit and to tune on, in the form of MMSegmentation's ``ann_file``.

    Args:
        dataset: Config of the data set; see :func:`has_own_layout`.
        scene: Regular expression whose first group names an image's scene. None uses the one for the converter's
            names, or makes each image its own scene if there is none.

    Returns:
        Names by part, ``'fit'`` and ``'tune'``.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.tiles.parts.tuning_names`; or there is no image.
    """
    data = _listed(dataset)
    folder, suffix = data.data_prefix['img_path'], data.img_suffix
    names = [os.path.relpath(entry['img_path'], folder).removesuffix(suffix) for entry in data.data_list]
    tuned = tuning_names(sorted(names), scene or SCENES.get(_kind(dataset)), folder)
    return {part: [name for name in names if (name in tuned) == (part == 'tune')] for part in PARTS}


def _digest(entries: Iterable[Mapping[str, Any]], dataset: Mapping[str, Any]) -> str:
    root, digest = dataset['data_root'], hashlib.sha256()
    for entry in entries:
        for file in (entry[key] for key in ('img_path', 'seg_map_path') if entry.get(key)):
            try:
                size = os.stat(file).st_size
            except OSError as error:
                raise InputError(f'{file}: {error.strerror}; {_how_to_get(dataset)}') from error
            digest.update(f'\n{file.removeprefix(root).lstrip(os.sep)}\0{size}\0'.encode())
    return digest.hexdigest()


def _listed(dataset: Mapping[str, Any]) -> BaseSegDataset:
    """Builds the data set, which lists its files; without serialisation, which would take most of the time."""
    return DATASETS.build({**dataset, 'pipeline': [], 'serialize_data': False})


def _bits(file: str) -> int | None:
    """Returns the bits per pixel and band of a PNG; None for any other file."""
    with open(file, 'rb') as content:
        head = content.read(25)
    return head[24] if head.startswith(b'\x89PNG') and len(head) == 25 else None


def _how_to_get(dataset: Mapping[str, Any]) -> str:
    name, root = _kind(dataset), dataset['data_root']
    command, section = SOURCES.get(name, ('', ''))
    made = f'to make it from the download: {command.format(root)}; ' if command else ''
    return f"{name} wants MMSegmentation's layout; where it lies elsewhere: --data-root PATH; {made}see {PAGE}{section}"


def _kind(dataset: Mapping[str, Any]) -> str:
    kind = dataset['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
