"""Grouping of runs by experiment and seed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InputError
from .criteria import Record


def group(records: Iterable[Record]) -> tuple[dict[str, list[Record]], list[str]]:
    """Groups runs by experiment and keeps the newest of each seed; an unfinished run does not replace a finished one.

    Args:
        records: Oldest first. The optional key ``path`` names the run in messages.

    Returns:
        The runs of each experiment, ordered by seed, and a sentence for each run that was left out.
    """
    chosen: dict[tuple[str, Any], Record] = {}
    notes = []
    for record in records:
        key = record['experiment'], record['seed']
        before = chosen.get(key)
        chosen[key] = record
        if before is not None:
            if before['status'] == 'finished' != record['status']:
                chosen[key], before = before, record
            notes.append(f'{run_name(before)} is left out: {run_name(chosen[key])} has its experiment and seed.')
    groups: dict[str, list[Record]] = {}
    for record in chosen.values():
        groups.setdefault(record['experiment'], []).append(record)
    for runs in groups.values():
        runs.sort(key=lambda run: (run['seed'] is None, run['seed'] or 0))
    return groups, notes


def run_name(record: Record) -> str:
    """Returns the name of a run for messages: its directory, or else experiment and seed."""
    parts = str(record.get('path') or '').replace('\\', '/').split('/')
    return parts[-2] if len(parts) > 1 else f'{record["experiment"]} (seed {record["seed"]})'


def as_long(run: Record, other: Record) -> bool:
    """Returns whether two runs were trained for the same number of epochs or iterations."""
    if not run['epochs'] or not other['epochs']:
        return False
    last, its = run['epochs'][-1], other['epochs'][-1]
    return any(last[key] == its[key] for key in ('epoch', 'iter') if key in last and key in its)


def check_same_data(records: Sequence[Record]) -> None:
    """Checks that all runs have the same data and classes.

    Raises:
        InputError: There is no run, or two runs have different data or classes; the message names them.
    """
    if not records:
        raise InputError('no run to compare')
    for record in records[1:]:
        for key, what in (('classes', 'other classes'), ('key', 'other data')):
            mine, its = records[0]['dataset'][key], record['dataset'][key]
            if mine != its:
                raise InputError(
                    f'{run_name(records[0])} and {run_name(record)} do not compare: they are on {what} '
                    f'({mine} and {its}); name runs on the same data'
                )


def uneven(groups: Mapping[str, Sequence[Record]]) -> list[str]:
    """Returns a sentence for each difference between runs that a mean or a difference of means would hide."""
    lengths = {name: sorted({len(run['epochs']) for run in runs}) for name, runs in groups.items()}
    notes = []
    if len({length for found in lengths.values() for length in found}) > 1:
        told = ', '.join(f'{name} {" and ".join(map(str, found))}' for name, found in lengths.items())
        notes.append(f'The runs are of different length, in epochs: {told}.')
    for name, runs in groups.items():
        # `key` identifies everything that determines a run except the seed; older records have none
        if len({(run.get('key'), run['student'].get('params_m')) for run in runs}) > 1:
            notes.append(f'The runs of {name} differ in more than the seed, so its mean mixes settings.')
    return notes
