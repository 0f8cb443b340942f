"""Files that a user names for a tool to write."""

import os
from pathlib import Path

from ..errors import InputError


def check_writable(path: str) -> None:
    """Refuses a file that cannot be written, before the work whose result is to go there.

    Raises:
        InputError: Its folder does not exist, or it is a folder itself, or may not be written to.
    """
    folder = Path(path).absolute().parent
    if Path(path).is_dir() or not folder.is_dir() or not os.access(path if Path(path).exists() else folder, os.W_OK):
        raise InputError(f'{path} cannot be written; name a file in a folder that exists')


def write(path: str, text: str) -> None:
    """Writes a file.

    Raises:
        InputError: It cannot be written.
    """
    try:
        Path(path).write_text(text, encoding='utf-8')
    except OSError as error:
        raise InputError(f'{path} cannot be written: {error.strerror}; name a file in a folder that exists') from error
