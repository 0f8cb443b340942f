"""The files of a folder of tiles, and a key of their content."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...imagery.formats import IMAGE_SUFFIXES
from ...imagery.limits import check_links
from .dataset_yaml import DatasetSpec, is_plain, tile_files

SPLITS = ('train', 'val')
UNLABELLED = 'unlabelled'  # below img_dir, beside the splits
HASHED_WHOLE = 20_000  # Files; with more, reading them all takes minutes at every start.


def pairs_of(root: Path, spec: DatasetSpec, split: str) -> list[tuple[Path, Path]]:
    """Returns the (image, label) files of a split, sorted by name.

    Raises:
        InputError: A folder is missing, there is no image, a name has control characters, or an image has no label.
    """
    images, labels = root / 'img_dir' / split, root / 'ann_dir' / split
    for folder in (images, labels):
        if not folder.is_dir():
            raise InputError(f'{folder} is missing; expected img_dir/ and ann_dir/, each with {" and ".join(SPLITS)}')
    names = _names(images, spec)
    present = {str(name).lower(): str(name) for name in tile_files(labels)}
    wanted = [name[: -len(spec.img_suffix)] + spec.seg_map_suffix for name in names]
    found = [present.get(label.lower()) for label in wanted]
    missing = [(image, label) for image, label, there in zip(names, wanted, found, strict=True) if there is None]
    if missing:
        image, label = missing[0]
        raise InputError(
            f'{images / image} has no label (one of {len(missing)} such images); expected {labels / label}'
        )
    return [(images / image, labels / label) for image, label in zip(names, found, strict=True) if label is not None]


def left_out(root: Path, spec: DatasetSpec, split: str) -> list[Path]:
    """Returns the images of a split that are skipped because of their suffix, sorted by name."""
    folder = root / 'img_dir' / split
    images = (name for name in tile_files(folder) if name.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(folder / name for name in images if not _ends(name, spec))


def _ends(name: Path, spec: DatasetSpec) -> bool:
    """Returns whether a file has the suffix of the images, in upper or lower case: tools write both .JPG and .jpg."""
    return name.name.lower().endswith(spec.img_suffix.lower())


def _names(images: Path, spec: DatasetSpec) -> list[str]:
    names = sorted(str(name) for name in tile_files(images) if _ends(name, spec))
    if not names:
        raise InputError(f'{images} holds no file that ends in {spec.img_suffix} (img_suffix); expected one at least')
    for name in names:
        if not is_plain(name):  # they would break lines, tables and TensorBoard's tags
            raise InputError(f'{images} holds {name!a}; expected names without control characters')
    return names


def has_unlabelled(root: str | os.PathLike) -> bool:
    """Returns whether a folder of tiles has a folder of images without labels."""
    return (Path(root).expanduser() / 'img_dir' / UNLABELLED).is_dir()


def unlabelled_of(root: Path, spec: DatasetSpec) -> list[Path]:
    """Returns the images of ``img_dir/unlabelled``, sorted by name; empty if there is no such folder."""
    folder = root / 'img_dir' / UNLABELLED
    return [folder / name for name in _names(folder, spec)] if has_unlabelled(root) else []


def check_links_of(files: Iterable[Path], root: Path) -> None:
    """Refuses files that are links out of the folder."""
    folders = [root / kind / split for kind in ('img_dir', 'ann_dir') for split in ('', *SPLITS, UNLABELLED)]
    check_links(files, root, folders)


def fingerprint(data_root: str | os.PathLike, spec: DatasetSpec) -> str:
    """Returns a key of the content.

    A copy elsewhere has the same key; it changes when a tile or the meaning of a label changes. With more than
    ``HASHED_WHOLE`` files, names and sizes are hashed instead of contents. Palette and ``scene`` change no label and
    are left out.

    Returns:
        SHA-256, 64 hexadecimal digits.

    Raises:
        InputError: As :func:`pairs_of`.
    """
    root = Path(data_root).expanduser()
    files = [file for split in SPLITS for pair in pairs_of(root, spec, split) for file in pair]
    meaning = {key: value for key, value in asdict(spec).items() if key not in ('palette', 'scene')}
    if spec.bands is None:
        del meaning['bands']  # so that folders without bands keep the key they had before this setting existed
    return _digest(root, files, meaning)


def unlabelled_fingerprint(data_root: str | os.PathLike, spec: DatasetSpec) -> str:
    """Returns a key of the tiles without a label. No other key includes them, so runs with and without them compare."""
    root = Path(data_root).expanduser()
    return _digest(root, unlabelled_of(root, spec), {})


def _digest(root: Path, files: Sequence[Path], meaning: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([meaning, len(files) > HASHED_WHOLE], sort_keys=True).encode())
    for file in files:
        state = file.stat()
        digest.update(f'\n{file.relative_to(root).as_posix()}\0{state.st_size}\0'.encode())
        if len(files) <= HASHED_WHOLE:
            digest.update(_content_digest(file, state.st_size, state.st_mtime_ns))
    return digest.hexdigest()


@lru_cache(maxsize=2 * HASHED_WHOLE)
def _content_digest(file: Path, size: int, changed: int) -> bytes:
    """Returns the SHA-256 of a file's content; cached, because a start needs it several times."""
    return hashlib.sha256(file.read_bytes()).digest()
