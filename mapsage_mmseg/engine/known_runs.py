"""Runs that lie under the experiments folder, as far as another run is judged by them."""

from pathlib import Path
from typing import Any

from ..evaluation.record import read_record


def finished(root: str | Path, experiment: str, data: str) -> list[dict[str, Any]]:
    """Records of an experiment's finished runs on the same data, oldest first; each with its ``path``.

    Args:
        root: The experiments folder.
        experiment: As a record names it.
        data: Key of the data, as a record names it.
    """
    found = []
    for path in sorted(Path(root).glob(f'{experiment}*/result.json')):
        record = read_record(path)
        if not record or record.get('status') != 'finished' or record.get('experiment') != experiment:
            continue
        if (record.get('dataset') or {}).get('key') == data and record.get('epochs'):
            found.append({**record, 'path': str(path)})
    return found


def by_key(root: str | Path) -> dict[tuple[str, int], list[Path]]:
    """Run directories by what was run, a record's key and seed; the last that was written to comes last.

    Args:
        root: The experiments folder.
    """
    found: dict[tuple[str, int], list[Path]] = {}
    for path in sorted(Path(root).glob('*/result.json'), key=lambda path: path.stat().st_mtime):
        record = read_record(path) or {}
        if record.get('key') and record.get('seed') is not None:
            found.setdefault((record['key'], record['seed']), []).append(path.parent)
    return found
