"""Run directories: their names, and the newest."""

import os
import re
import time
from pathlib import Path

from ...errors import InputError
from ...evaluation.record import read_record
from ...folder_lock import claim, claimed
from .checkpoint_files import resumable


def new_run_dir(root: str | Path, experiment: str) -> Path:
    """Makes ``<root>/<experiment>_YYYYmmdd_HHMMSS``; a second one in the same second waits for the next."""
    while True:
        path = Path(root) / f'{experiment}_{time.strftime("%Y%m%d_%H%M%S")}'
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            time.sleep(1.0 - time.time() % 1.0)
        except OSError as error:
            raise InputError(
                f'{path} cannot be made: {error.strerror}; choose another place with --work-dir'
            ) from error
        else:
            claim(path)
            return path


def given_run_dir(name: str) -> Path:
    """Makes the directory that ``--work-dir`` names.

    Raises:
        InputError: It is a file, or cannot be created or written to.
    """
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'--work-dir {name} cannot be made: {error.strerror}; name a folder') from error
    if not os.access(path, os.W_OK):
        raise InputError(f'--work-dir {name} cannot be written to; choose another place')
    return path


def newest_run(root: str | Path, experiment: str) -> Path:
    """Returns the newest run directory of an experiment.

    Raises:
        InputError: There is none.
    """
    found = runs_of(root, experiment)
    if not found:
        raise InputError(
            f'--resume: no run of {experiment!r} lies under {root}/; start one without --resume, or name its '
            'directory with --work-dir'
        )
    return max(found, key=lambda path: path.name)


def runs_of(root: str | Path, experiment: str) -> list[Path]:
    """Returns the run directories of an experiment that hold a run to resume."""
    return [path for path in Path(root).glob(f'{experiment}_*') if begun(path) and _experiment(path) == experiment]


def begun(folder: Path) -> bool:
    """Returns whether there is a run to resume; one that was killed before its first checkpoint starts anew."""
    return bool(resumable(folder)) or claimed(folder)


def _experiment(folder: Path) -> str | None:
    record = read_record(folder / 'result.json')
    if record is None:  # killed before it wrote one
        return re.sub(r'_\d{8}_\d{6}$', '', folder.name)
    return record.get('experiment')
