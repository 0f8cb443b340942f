"""Limits on image size, and on where links may lead."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import InputError

MAX_PIXELS = 178_956_970  # of one image: Pillow's limit for a decompression bomb
MOST_PIXELS = 2**40  # the largest limit that makes sense


def check_max_pixels(most: Any) -> None:
    """Checks the limit itself.

    Raises:
        InputError: It is not an integer, or out of range.
    """
    if type(most) is not int or not 1 <= most <= MOST_PIXELS:
        raise InputError(f'dataset.max_pixels={most!r} must be a whole number from 1 to {MOST_PIXELS}')


def check_claim(file: Path, claimed: int, most: int) -> None:
    """Refuses an image whose header claims more pixels than the limit; nothing is decoded before this check.

    Raises:
        InputError: It claims more.
    """
    if claimed > most:
        raise InputError(
            f'{file} claims {claimed} pixels, above the {most} that an image may have; where that is right, raise '
            'train_dataloader.dataset.max_pixels, and that of val_dataloader and test_dataloader'
        )


def check_links(files: Iterable[Path], root: Path, folders: Iterable[Path]) -> None:
    """Refuses links of single files that lead out of the data.

    Links of folders may lead anywhere, and links of files may lead into those folders.

    Args:
        files: Files of the tiles.
        root: The data root.
        folders: Folders below it, which may be links themselves.

    Raises:
        InputError: A link leads out.
    """
    places: list[Path] | None = None
    for file in files:
        if not file.is_symlink():
            continue
        if places is None:
            places = [root.resolve(), *{folder.resolve() for folder in folders}]
        target = Path(os.path.realpath(file))
        if not any(target.is_relative_to(place) for place in (*places, file.parent.resolve())):
            raise InputError(
                f'{file} is a link that leads out of the data, to {target}; put the file there, link its folder '
                'instead, or override the check with dataset.follow_links=True of every dataloader'
            )
