"""Finished runs in the experiments folder that other runs are compared with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...evaluation.criteria import final
from ...evaluation.grouping import as_long
from ...evaluation.record import read_record


def finished(root: str | Path, experiment: str, data: str) -> list[dict[str, Any]]:
    """Returns the records of an experiment's finished runs on the same data, oldest first, each with its ``path``.

    Args:
        root: The experiments folder.
        experiment: Name of the experiment, as in a record.
        data: Key of the data, as in a record.
    """
    return [record for record in _finished(root, f'{experiment}*', data) if record.get('experiment') == experiment]


def best_alone(root: str | Path, data: str) -> dict[str, Any] | None:
    """Finds the best finished run on the same data of any student trained from labels only.

    Args:
        root: The experiments folder.
        data: Key of the data, as in a record.

    Returns:
        The record with the best last mIoU, with its ``path``; None if there is none.
    """
    runs = [
        record
        for record in _finished(root, '*', data)
        if not record.get('teacher') and not _is_teacher(record) and final(record, 'mIoU') is not None
    ]
    return max(runs, key=lambda record: final(record, 'mIoU'), default=None)


def _finished(root: str | Path, folders: str, data: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted(Path(root).glob(f'{folders}/result.json')):
        record = read_record(path)
        if not record or record.get('status') != 'finished' or not record.get('epochs'):
            continue
        if (record.get('dataset') or {}).get('key') == data:
            found.append({**record, 'path': str(path)})
    return found


def _is_teacher(record: Mapping[str, Any]) -> bool:
    """Returns whether a run trained a teacher; records before version 0.1 tell it only by their experiment's name."""
    return bool(record.get('is_teacher', str(record.get('experiment')).startswith('teacher')))


def by_key(root: str | Path) -> dict[tuple[str, int], list[Path]]:
    """Returns the run directories by (key, seed) of their records; the one written to last comes last.

    Args:
        root: The experiments folder.
    """
    found: dict[tuple[str, int], list[Path]] = {}
    for path in sorted(Path(root).glob('*/result.json'), key=lambda path: path.stat().st_mtime):
        record = read_record(path) or {}
        if record.get('key') and record.get('seed') is not None:
            found.setdefault((record['key'], record['seed']), []).append(path.parent)
    return found


def judged_against(root: str | Path, record: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Returns the finished runs on the same data that judge a run: baseline and control, each None if there is none.

    Differences are paired by seed, so the newest run of the same seed is taken; if there is none, the newest. Runs of
    another length are not considered.

    Args:
        root: The experiments folder.
        record: The run's record. A run is not judged by its own experiment.
    """
    chosen: list[dict[str, Any] | None] = []
    for name in ('baseline_distill', record.get('control') or 'no_distill'):
        runs = [] if name == record['experiment'] else finished(root, name, record['dataset']['key'])
        runs = [run for run in runs if as_long(run, record)]
        same_seed = [run for run in runs if run['seed'] == record['seed']]
        chosen.append(next(reversed(same_seed or runs), None))
    return chosen[0], chosen[1]


def judging(root: str | Path, path: str | Path) -> list[Path]:
    """Returns the directories of the finished distillations that have a run as their control or baseline.

    Args:
        root: The experiments folder.
        path: Path of the run's record.
    """
    mine = read_record(path)
    if not mine or not (mine.get('dataset') or {}).get('key'):
        return []
    place = Path(path).resolve()
    others = [other for other in _finished(root, '*', mine['dataset']['key']) if other.get('teacher')]
    return [
        Path(other['path']).parent
        for other in others
        if any(judge and Path(judge['path']).resolve() == place for judge in judged_against(root, other))
    ]
