"""Output files and folders that a user names, checked before the work begins."""

import os
import tempfile
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


def check_folder(folder: Path) -> None:
    """Refuses a folder in which no file can be made, before the work whose result is to go there.

    Raises:
        InputError: It may not be written to. (Of a read-only one the permissions alone do not tell, to root least.)
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f'-o {folder} cannot be written to: {error.strerror}; name another folder') from error


def write(path: str, text: str) -> None:
    """Writes a file.

    Raises:
        InputError: It cannot be written.
    """
    try:
        Path(path).write_text(text, encoding='utf-8')
    except OSError as error:
        raise InputError(f'{path} cannot be written: {error.strerror}; name a file in a folder that exists') from error


def out_folder(name: str) -> Path:
    """Makes the folder that ``-o`` names.

    Raises:
        InputError: It cannot be made.
    """
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'-o {name} cannot be made: {error.strerror}; name a folder') from error
    return path
