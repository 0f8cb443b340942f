"""MMSegmentation's own data sets: whether their files are in place, and a key of what they are."""

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
SOURCES = {  # by type: the command that makes it of the download, and where PAGE speaks of that
    'LoveDADataset': (MIM.format('loveda'), '#loveda'),
    'PotsdamDataset': (MIM.format('potsdam'), '#isprs-potsdam'),
    'ISPRSDataset': (MIM.format('vaihingen'), '#isprs-vaihingen'),
    'iSAIDDataset': (MENDED, '#isaid'),
}
SCENES = {  # by type: what names the scene in the names that the converters give
    'PotsdamDataset': r'^(\d+_\d+)_',
    'ISPRSDataset': r'^(area\d+)_',
    'iSAIDDataset': r'^(P\d+)_',
}


def has_own_layout(dataset: Mapping[str, Any]) -> bool:
    """Whether a data set's config names a folder of this machine, and its class how that is laid out: any class of
    MMSegmentation's, and what is derived from it."""
    named = dataset.get('type')
    kind = DATASETS.get(named) if isinstance(named, str) else named
    if not isinstance(kind, type) or issubclass(kind, FolderLandCover | SyntheticLandCover):
        return False
    local = isinstance(dataset.get('data_root'), str) and not dataset.get('backend_args')
    return local and issubclass(kind, BaseSegDataset)


def check_layout(dataset: Mapping[str, Any]) -> None:
    """Looks for the folders, images and labels of a data set, and into the head of one label.

    Args:
        dataset: Its config; see :func:`has_own_layout`.

    Raises:
        InputError: A folder or a label is missing, there is no image, or labels cannot hold the classes; says how to
            get the data.
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
    """A key of the files: the same for a copy elsewhere, another when a file comes, goes or changes its size.

    Contents are not read: the largest of these sets has 90,000 files.

    Args:
        dataset: Its config; see :func:`has_own_layout`.

    Returns:
        SHA-256, 64 hexadecimal digits.

    Raises:
        InputError: An image or its label is missing.
    """
    return _digest(_listed(dataset).data_list, dataset)


def divide(dataset: Mapping[str, Any], scene: str | None) -> dict[str, list[str]]:
    """The names of the images to fit and to tune on, as MMSegmentation's ``ann_file`` holds them.

    Args:
        dataset: Its config; see :func:`has_own_layout`.
        scene: Regular expression whose first group names an image's scene; where None, that of the converter's names,
            or else each image is a scene of its own.

    Returns:
        By part, ``'fit'`` and ``'tune'``.

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
    """The data set itself, which knows its files; unserialised, for that would take most of the time."""
    return DATASETS.build({**dataset, 'pipeline': [], 'serialize_data': False})


def _bits(file: str) -> int | None:
    """Bits of a pixel and band, where the file is a PNG."""
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
