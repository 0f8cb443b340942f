"""What a folder of tiles may ask of the machine: how many pixels a file may claim, and where its links may lead."""

import io
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import InputError

MAX_PIXELS = 178_956_970  # of one image: from here on Pillow by itself calls it a decompression bomb
OPENCV_PIXELS = int(os.environ.get('OPENCV_IO_MAX_IMAGE_PIXELS') or 2**30)  # which OpenCV too reads when it is loaded
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)  # Pillow's, at half its limit


def check_max_pixels(most: Any) -> None:
    """Refuses a limit that is none, or is above OpenCV's own."""
    if type(most) is not int or not 1 <= most <= OPENCV_PIXELS:
        raise InputError(
            f'dataset.max_pixels={most!r} must be a whole number from 1 to {OPENCV_PIXELS}, which OpenCV reads at most '
            '(the environment variable OPENCV_IO_MAX_IMAGE_PIXELS raises that)'
        )


def check_pixels(file: Path, most: int, content: bytes | None = None) -> None:
    """Looks at what an image's header claims, before anything is decoded.

    Pillow's own limit follows, upwards only: what this lets through, Pillow decodes.

    Args:
        file: The image; one whose header Pillow does not know is left to OpenCV, which has a limit of its own.
        most: Pixels that it may have.
        content: Of the file, where it has been read.

    Raises:
        InputError: It claims more.
    """
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, -(-most // 2))  # Pillow refuses from twice that on
    try:
        with Image.open(file if content is None else io.BytesIO(content)) as picture:
            claimed = picture.width * picture.height
    except Image.DecompressionBombError as error:
        found = re.search(r'\((\d+) pixels\)', str(error))
        claimed = int(found[1]) if found else most + 1
    except Exception:  # missing, broken or of a kind that Pillow does not know: who decodes it says so
        return
    check_claim(file, claimed, most)


def check_claim(file: Path, claimed: int, most: int) -> None:
    """Refuses an image that claims more pixels than it may have."""
    if claimed > most:
        raise InputError(
            f'{file} claims {claimed} pixels, above the {most} that an image may have; where that is right, raise '
            'train_dataloader.dataset.max_pixels, and that of val_dataloader and test_dataloader'
        )


def check_links(files: Iterable[Path], root: Path, folders: Iterable[Path]) -> None:
    """Looks where links of single files lead. Links of folders may lead anywhere, and what lies there may be linked to.

    Args:
        files: Of the tiles.
        root: The data root.
        folders: Folders below it, which may be links themselves.

    Raises:
        InputError: One leads out.
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
                'instead, or insist with dataset.follow_links=True of every dataloader'
            )
