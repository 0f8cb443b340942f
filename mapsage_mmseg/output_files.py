"""Output files and folders that a user names, checked before the work begins."""

import os
import tempfile
from pathlib import Path

from .errors import InputError


def check_writable(path: str) -> None:
    """Refuses a file that cannot be written, before the work that produces it.

    Raises:
        InputError: Its folder does not exist, it is a folder itself, or it is not writable.
    """
    folder = Path(path).absolute().parent
    if Path(path).is_dir() or not folder.is_dir() or not os.access(path if Path(path).exists() else folder, os.W_OK):
        raise InputError(f'{path} cannot be written; name a file in a folder that exists')


def check_folder(folder: Path) -> None:
    """Refuses a folder in which no file can be created, before the work that produces the files.

    Raises:
        InputError: It is not writable. (A file is created to find out: permissions do not show a read-only file system,
            least of all to root.)
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f'-o {folder} cannot be written to: {error.strerror}; name another folder') from error


def write(path: str, text: str) -> None:
    """Writes a file.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        Path(path).write_text(text, encoding='utf-8')
    except OSError as error:
        raise InputError(f'{path} cannot be written: {error.strerror}; name a file in a folder that exists') from error


def out_folder(name: str) -> Path:
    """Makes the folder that ``-o`` names.

    Raises:
        InputError: The folder cannot be created.
    """
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'-o {name} cannot be made: {error.strerror}; name a folder') from error
    return path
