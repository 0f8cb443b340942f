"""Pairs of image and mask, found by their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...imagery import Window
from ..tiles.dataset_yaml import IMAGE_SUFFIXES, tile_files
from ..tiles.parts import scene_pattern
from .remarks import Note, in_short
from .tiling import tile_name

MASK_SUFFIXES = ('_mask', '_masks', '_label', '_labels', '_gt')  # tried if none is named
IMAGE_FOLDERS, MASK_FOLDERS = ('images', 'image', 'img'), ('masks', 'mask', 'labels', 'label')


@dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        name: Name of the image; the names of its tiles begin with it.
        image, mask: The files; the mask is None for an unlabelled image.
        scene: Name of the scene, one or several images that stay together in the split.
        shrink: Reads both files at one n-th of their size, for an image whose pixels show less ground than the others'.
    """

    name: str
    image: Path
    mask: Path | None
    scene: str
    shrink: int = 1


def find_pairs(
    scenes: Path,
    masks: Path | None = None,
    image_suffix: str = '',
    mask_suffix: str | None = None,
    scene: str | None = None,
    note: Note = lambda line: None,
) -> list[Pair]:
    """Pairs images and masks by the stems of their file names without suffixes: ``a_RGB.tif`` and ``a_label.tif``.

    Args:
        scenes: Folder of images, searched recursively. If it has folders ``images`` and ``masks`` (or ``labels``) and
            ``masks`` is None, these are used.
        masks: Folder of masks, with the same subfolders; None if they lie among the images or in such folders.
        image_suffix: How stems of images end.
        mask_suffix: How stems of masks end. None infers it: one of ``MASK_SUFFIXES``, or nothing; then the PNG of two
            files with the same stem is the mask.
        scene: Regular expression, searched for in the names of tiles, whose first group is the scene; None makes each
            image its own scene.
        note: Called with a line about masks without an image, and about folders that are named like images.

    Returns:
        Pairs, sorted by name.

    Raises:
        InputError: A folder is missing, there is no image, an image has no mask or several candidates, two images have
            the same name, or ``scene`` finds nothing in a name.
    """
    for folder in (scenes, masks):
        if folder is not None and not folder.is_dir():
            raise InputError(f'{folder}: no such folder; expected one with images and their masks')
    if masks is None:
        scenes, masks = _folders(scenes)
    apart = masks != scenes
    files = _images(masks)
    ending = _mask_suffix(files, apart) if mask_suffix is None else mask_suffix
    candidates = [file for file in files if _ends(file, ending)] if apart else _masks_among(files, ending)
    images = _images(scenes) if apart else [file for file in files if file not in candidates]
    images = [file for file in images if _ends(file, image_suffix)]
    if not images:
        raise InputError(f'{scenes} {_no_image(image_suffix)}')
    by_key: dict[Path, list[Path]] = {}
    for file in sorted(candidates):
        by_key.setdefault(_key(file, ending), []).append(file)
    pattern = scene_pattern(scene, '--scene') if scene is not None else None
    pairs: dict[str, Pair] = {}
    for file in images:
        found = by_key.get(_key(file, image_suffix), [])
        if len(found) != 1:
            raise InputError(_unmatched(scenes / file, _key(file, image_suffix), ending, masks, found))
        name = '_'.join(_key(file, image_suffix).parts)
        if name in pairs:
            raise InputError(f'{scenes / file} and {pairs[name].image} are both called {name}; rename one')
        whole = name if pattern is None else _scene(pattern, name)
        pairs[name] = Pair(name, scenes / file, masks / found[0], whole)
    taken = {pair.mask for pair in pairs.values()}
    _remark(note, scenes, [masks / file for file in sorted(candidates) if masks / file not in taken])
    return [pairs[name] for name in sorted(pairs)]


def find_unlabelled(
    folder: Path,
    image_suffix: str,
    mask_suffix: str | None,
    scene: str | None,
    labelled: Sequence[Pair],
    note: Note = lambda line: None,
) -> list[Pair]:
    """Finds images without masks in a folder and its subfolders; masks beside them are left out.

    Args:
        folder: Folder of images.
        image_suffix, mask_suffix, scene: As for :func:`find_pairs`.
        labelled: The labelled pairs of the same data set.
        note: Called with a line about files that are left out, and about folders that are named like images.

    Returns:
        Pairs without a mask, sorted by name.

    Raises:
        InputError: The folder is missing or holds no image, two images have the same name, also a labelled one, or
            ``scene`` finds nothing in a name.
    """
    if not folder.is_dir():
        raise InputError(f'--unlabelled {folder}: no such folder; expected one with images')
    found = _images(folder)
    masks = _masks_among(found, _mask_suffix(found, apart=False) if mask_suffix is None else mask_suffix)
    images = [file for file in found if file not in masks]
    files = [file for file in images if _ends(file, image_suffix)]
    if not files:
        raise InputError(f'--unlabelled {folder} {_no_image(image_suffix)}')
    pattern = scene_pattern(scene, '--scene') if scene is not None else None
    taken = {pair.name: pair.image for pair in labelled}
    pairs: dict[str, Pair] = {}
    for file in files:
        name = '_'.join(_key(file, image_suffix).parts)
        if name in taken:
            raise InputError(f'{folder / file} and {taken[name]} are both called {name}; rename one, or leave it out')
        taken[name] = folder / file
        pairs[name] = Pair(name, folder / file, None, name if pattern is None else _scene(pattern, name))
    if spare := [folder / file for file in images if file not in files]:
        note(f'Images whose name does not end in {image_suffix}, left out: {in_short(spare, 1)}.')
    if masks:
        note(
            f'Masks among the images without labels, left out: {in_short(sorted(folder / file for file in masks), 1)}.'
        )
    _remark(note, folder, [])
    return [pairs[name] for name in sorted(pairs)]


def _no_image(suffix: str) -> str:
    named = f' whose name ends in {suffix}' if suffix else ''
    return f'holds no image{named}; expected files of {", ".join(IMAGE_SUFFIXES)}'


def _remark(note: Note, scenes: Path, spare: Sequence[Path]) -> None:
    if spare:
        note(f'Masks without an image, left out: {in_short(spare, 1)}.')
    like_images = (path for path in scenes.rglob('*') if path.suffix.lower() in IMAGE_SUFFIXES)
    if folders := sorted(path for path in like_images if path.is_dir()):
        note(f'Folders that are called like images, and searched, not read: {in_short(folders, 1)}.')


def _folders(scenes: Path) -> tuple[Path, Path]:
    images = next((scenes / name for name in IMAGE_FOLDERS if (scenes / name).is_dir()), None)
    masks = next((scenes / name for name in MASK_FOLDERS if (scenes / name).is_dir()), None)
    return (images, masks) if images and masks else (scenes, scenes)


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in tile_files(folder) if file.suffix.lower() in IMAGE_SUFFIXES)


def _mask_suffix(candidates: Sequence[Path], apart: bool) -> str:
    found = [ending for ending in MASK_SUFFIXES if any(file.stem.endswith(ending) for file in candidates)]
    if apart and not all(file.stem.endswith(tuple(found) or '\0') for file in candidates):
        return ''  # masks have the stems of their images
    return found[0] if found else ''


def _masks_among(files: Sequence[Path], ending: str) -> set[Path]:
    """Returns the masks among the files of one folder."""
    if ending:
        return {file for file in files if _ends(file, ending)}
    images = {file.with_suffix('') for file in files if file.suffix.lower() != '.png'}
    return {file for file in files if file.suffix.lower() == '.png' and file.with_suffix('') in images}


def _ends(file: Path, suffix: str) -> bool:
    return file.stem.endswith(suffix) and file.stem != suffix


def _key(file: Path, suffix: str) -> Path:
    return file.with_name(file.stem[: len(file.stem) - len(suffix)])


def _unmatched(image: Path, key: Path, ending: str, masks: Path, found: Sequence[Path]) -> str:
    if found:
        names = ' and '.join(str(masks / file) for file in found)
        return f'{image} could have the masks {names}; move one away, or name their ending with --mask-suffix'
    expected = f'{masks / key}{ending}' + ('.png or .tif' if ending else ', with another ending')
    return f'{image} has no mask; expected {expected} (--masks, --image-suffix and --mask-suffix say where they are)'


def _scene(pattern: re.Pattern[str], name: str) -> str:
    tile = tile_name(name, Window(0, 0, 1, 1))  # `scene` of dataset.yaml is searched for in names of tiles
    match = pattern.search(tile)
    if match is None or match[1] is None:
        raise InputError(f'--scene {pattern.pattern!r} finds no scene in the name {tile}; expected one in every name')
    return match[1]
