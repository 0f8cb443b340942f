"""Records of the runs that a user names, and their comparison."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .comparison import Comparison, compare
from .conventions import CONTROL, MATTERS
from .grouping import run_name
from .record import open_record
from .transfer import Answer, answers

TIME = re.compile(r'\d{8}_\d{6}')
TEACHER = 'teacher'


@dataclass(frozen=True)
class Compared:
    """Compared runs.

    Attributes:
        records: Records of the runs, oldest first.
        control: Name of the experiment that they are compared with; None for the default.
        comparison: Result of the comparison.
        answers: Whether knowledge was transferred: one answer for each experiment with a teacher.
    """

    records: Sequence[dict[str, Any]]
    control: str | None
    comparison: Comparison
    answers: Sequence[Answer]


def compare_runs(
    paths: str | Path | Sequence[str | Path],
    control: str | None = None,
    names: bool = False,
    matters: float = MATTERS,
    looks: tuple[int, int] | None = None,
) -> Compared:
    """Compares runs.

    Args:
        paths: Run directories, ``result.json`` files, or folders of runs.
        control: The run, or the experiment, to compare with; None for the default.
        names: Compare single runs by the names of their directories, not experiments.
        matters: The smallest difference in mIoU that matters, in percentage points.
        looks: As for :func:`~mapsage_mmseg.evaluation.comparison.compare`.

    Raises:
        InputError: A path contains no run, or the runs are not comparable.
    """
    paths = [paths] if isinstance(paths, str | Path) else paths
    read = [record for path in paths for record in read_runs(path)]
    return _compared(*with_control(read, control, names), matters, looks)


def compare_by_data(
    paths: Sequence[str | Path],
    control: str | None = None,
    names: bool = False,
    matters: float = MATTERS,
    looks: tuple[int, int] | None = None,
) -> list[Compared]:
    """Compares the runs of folders, separately for each data set.

    Args:
        paths, control, names, matters, looks: As for :func:`compare_runs`.

    Returns:
        A comparison for each data set; the one with the newest run comes first.

    Raises:
        InputError: As for ``compare_runs``, or runs that were named one by one have different data.
    """
    read = [record for path in paths for record in read_runs(path)]
    records, name = with_control(read, control, names)
    by_data: dict[Any, list[dict[str, Any]]] = {}
    for record in records:
        by_data.setdefault((record['dataset']['key'], tuple(record['dataset']['classes'] or ())), []).append(record)
    if len(by_data) == 1 or not any(_holds_runs(path) for path in paths):
        return [_compared(records, name, matters, looks)]
    newest = sorted(by_data.values(), key=lambda runs: _begun(runs[-1]), reverse=True)
    return [
        _compared(runs, name if name in {run['experiment'] for run in runs} else None, matters, looks)
        for runs in newest
    ]


def _compared(
    records: Sequence[dict[str, Any]], control: str | None, matters: float, looks: tuple[int, int] | None
) -> Compared:
    comparison = compare(records, control, matters, looks)
    return Compared(records, control, comparison, answers(comparison, records))


def _holds_runs(path: str | Path) -> bool:
    """Returns whether a path is a folder of runs, not a run itself."""
    return Path(path).is_dir() and not (Path(path) / 'result.json').is_file()


def read_runs(path: str | Path) -> list[dict[str, Any]]:
    """Reads the records of a path; adds the key ``path`` to each.

    For a folder of runs these are all its runs except teachers: a teacher's score is in the records of its students. A
    teacher's run is read if ``path`` is that run itself.

    Raises:
        InputError: The path does not exist or contains no run, or a record cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f'{path} does not exist; name a run directory, a result.json, or a folder of runs')
    file = path / 'result.json' if path.is_dir() else path
    if file.is_file() or not path.is_dir():
        return [_read(file)]
    found = [_read(file) for file in sorted(path.glob('*/result.json'))]
    runs = [record for record in found if record['experiment'] != TEACHER]
    if not runs:
        raise InputError(f'{path} holds no run: neither it nor a folder in it has a result.json of a student')
    return runs


def _read(file: Path) -> dict[str, Any]:
    return {**open_record(file), 'path': str(file.resolve())}


def with_control(
    records: list[dict[str, Any]], control: str | None, names: bool
) -> tuple[list[dict[str, Any]], str | None]:
    """Adds the control's runs if they are missing, and sorts all runs, oldest first.

    Args:
        records: Runs, each with its ``path``.
        control: A path, or the name of an experiment among the runs.
        names: Name each run by its directory.

    Returns:
        The records, and the control's name; None for the default.

    Raises:
        InputError: ``control`` is a path with more than one experiment, or its runs cannot be read.
    """
    extra = read_runs(control) if control is not None and Path(control).exists() else []
    by_path = {record['path']: record for record in [*records, *extra]}
    ordered = sorted(by_path.values(), key=_begun)
    if names:
        alone = [run_name(record) for record in ordered if record['experiment'] == CONTROL]
        control = control or (alone[0] if len(alone) == 1 else None)
        ordered = [{**record, 'experiment': run_name(record)} for record in ordered]
    chosen = {by['experiment'] for by in ordered if by['path'] in {record['path'] for record in extra}}
    if len(chosen) > 1:
        raise InputError(f'--control {control}: one experiment is needed, and it holds {", ".join(sorted(chosen))}')
    return ordered, chosen.pop() if chosen else control


def _begun(record: dict[str, Any]) -> str:
    """Returns the time at which a run began, from its directory's name, or else the time of its record file."""
    file = Path(record['path'])
    found = TIME.search(file.parent.name)
    return found[0] if found else time.strftime('%Y%m%d_%H%M%S', time.localtime(file.stat().st_mtime))
