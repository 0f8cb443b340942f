"""Atomic writing of files, and checks that a file is intact."""

import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = '.partial'  # suffix of temporary files


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a temporary file, which replaces ``path`` in one step once everything is written.

    Readers of ``path`` see its old or its new content, even after a SIGKILL or a power failure. If writing fails or is
    interrupted, ``path`` does not change.

    Raises:
        OSError: The file cannot be written: the disk is full, or the folder is gone.
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
    """Writes UTF-8 text through :func:`whole_file`."""
    with whole_file(path) as file:
        file.write(text.encode())


def flush_folder(folder: Path) -> None:
    """Makes renames in a folder survive a power failure."""
    with suppress(OSError):  # some file systems flush no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_partial(folder: str | Path) -> None:
    """Removes temporary files of killed writers from a folder; no other process may be writing there."""
    for path in Path(folder).glob(f'.*{PARTIAL}'):
        path.unlink(missing_ok=True)


def damage(path: str | Path) -> str | None:
    """Checks a ZIP archive, such as ``torch.save`` writes, by the checksum (CRC-32) of each tensor, which
    ``torch.load`` ignores.

    Returns:
        What is wrong, in words. None if all checksums match, and for a file that is no archive or an incomplete one,
        which every reader refuses.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except OSError:
        raise
    except Exception as error:  # a damaged header may contain anything: encryption, an unknown compression
        return f'its table of contents does not hold ({type(error).__name__})'
    return f'the checksum of {broken} does not hold' if broken else None
