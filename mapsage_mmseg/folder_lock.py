"""Locks of directories: one process at a time."""

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

from mmengine.logging import print_log

from .errors import InputError

NAME = '.lock'  # in the run directory; it stays there, and names the owner until the lock is released
_PAUSE = 0.2  # seconds, after which a process that only called `held` has closed the file


class RunLock:
    """Lock of the operating system on a run directory.

    It ends with the process, however that ends, and data workers do not share it, so a killed run locks nobody out.

    Args:
        folder: The run directory.
        option: The tool's option that names the directory, for messages.
    """

    def __init__(self, folder: str | Path, option: str = '--work-dir') -> None:
        self.path, self.option = Path(folder) / NAME, option
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Takes the lock.

        Raises:
            InputError: Another process has it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, 'a+', encoding='utf-8')  # noqa: SIM115 (closing it would give the lock back)
        for last in (False, True):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError) as error:
                if last:
                    owner = self._owner() or 'another process'
                    self._file.close()
                    self._file = None  # or a release would erase the owner's name
                    raise InputError(
                        f'{self.path.parent} is in use by {owner}; wait for it, or choose another directory with '
                        f'{self.option}'
                    ) from error
                time.sleep(_PAUSE)
            except OSError as error:
                print_log(
                    f'{self.path} cannot be locked here ({error.strerror}): see that no second process runs', 'current'
                )
                break
        former = self._owner()
        if former:
            print_log(f'{self.path.parent}: {former} had this run and is gone', 'current')
        self._write(f'process {os.getpid()} on {socket.gethostname()} since {time.strftime("%Y-%m-%d %H:%M:%S")}')

    def release(self) -> None:
        """Releases the lock."""
        if self._file is not None:
            self._write('')
            self._file.close()
            self._file = None

    def _owner(self) -> str:
        assert self._file is not None
        self._file.seek(0)
        return self._file.read().strip()

    def _write(self, text: str) -> None:
        assert self._file is not None
        self._file.truncate(0)
        self._file.write(text)
        self._file.flush()


def claim(folder: str | Path) -> None:
    """Marks a directory as a run's, before it holds anything to resume."""
    (Path(folder) / NAME).touch()


def claimed(folder: str | Path) -> bool:
    """Returns whether a run has started in a directory."""
    return (Path(folder) / NAME).is_file()


def held(folder: str | Path) -> bool | None:
    """Returns whether a process has locked a run directory.

    The process that holds the lock must not call this: it would release the lock.

    Returns:
        None if it is unknown: there is no lock, or the file system does not support locks.
    """
    try:
        with open(Path(folder) / NAME, 'r+') as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return None
    return False
