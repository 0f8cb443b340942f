"""Atomic writing of files, and checks that a file is whole."""

import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = '.partial'  # how a file ends that is being written


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes ``path`` where all was written, in one step.

    Whoever reads ``path`` meets what it was before or what it is now, also after a SIGKILL or a power failure at any
    moment. Where writing fails, or is interrupted, ``path`` is as before.

    Raises:
        OSError: It cannot be written: the disk is full, or the folder is gone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f'.{path.name}.{secrets.token_hex(4)}{PARTIAL}')
    try:
        with open(staged, 'xb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    except BaseException:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text by way of :func:`whole_file`."""
    with whole_file(path) as file:
        file.write(text.encode())


def flush_folder(folder: Path) -> None:
    """Makes renames in a folder outlast a power failure."""
    with suppress(OSError):  # a file system that flushes no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_partial(folder: str | Path) -> None:
    """Removes what writers that were killed left in a folder; nobody else may be writing there."""
    for path in Path(folder).glob(f'.*{PARTIAL}'):
        path.unlink(missing_ok=True)


def damage(path: str | Path) -> str | None:
    """What is wrong with the content of a ZIP archive, such as ``torch.save`` writes, with a checksum (CRC-32) of each
    tensor; ``torch.load`` does not look at these.

    Returns:
        In words. None where all checksums hold, and for a file that is no archive, or not a whole one, which every
        reader refuses.

    Raises:
        OSError: It cannot be read.
    """
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except OSError:
        raise
    except Exception as error:  # in a damaged header anything may stand: encryption, a compression that nobody knows
        return f'its table of contents does not hold ({type(error).__name__})'
    return f'the checksum of {broken} does not hold' if broken else None
