"""Milestones of a run at epochs 5, 10, 15 and 25."""

from collections.abc import Callable, Mapping
from typing import Any

from .criteria import FINAL_TASK_LOSS, Record, distilling, scaled

BALANCED = 0.80  # maximum share of the total for a level of distillation
TASK_AT_THE_END = 1.1  # for 7 classes


def milestones(record: Record) -> list[dict[str, Any]]:
    """Judges the epochs that a run has reached.

    Returns:
        For each milestone ``epoch``, ``what``, ``value``, ``target`` and ``met`` (None if the epoch was not reached or
        the value is not known).
    """
    checks: list[tuple[int, str, Callable[[Record, Mapping[str, Any]], tuple[Any, Any, bool | None]]]] = [
        (5, 'task loss', lambda run, entry: _below(_task(entry), scaled(FINAL_TASK_LOSS, run))),
        (10, 'total falls', _total_falls),
        (15, 'terms balanced', lambda run, entry: _below(_largest_share(entry), BALANCED)),
        (25, 'task loss', lambda run, entry: _below(_task(entry), scaled(TASK_AT_THE_END, run))),
    ]
    entries = {entry['epoch']: entry for entry in record['epochs']}
    found = []
    for epoch, what, check in checks:
        value, target, met = check(record, entries[epoch]) if epoch in entries else (None, None, None)
        found.append(dict(epoch=epoch, what=what, value=value, target=target, met=met))
    return found


def _below(value: float | None, target: float) -> tuple[float | None, float, bool | None]:
    return value, target, None if value is None else value < target


def _task(entry: Mapping[str, Any]) -> float | None:
    return (entry.get('val') or {}).get('task_loss')


def _largest_share(entry: Mapping[str, Any]) -> float | None:
    shares = [share for term, share in entry['shares'].items() if term != 'task' and share is not None]
    return max(shares) if shares else None


def _total_falls(record: Record, entry: Mapping[str, Any]) -> tuple[float | None, float | None, bool | None]:
    # Compared with the first epoch with the same weights: another phase has another total.
    same = [old for old in record['epochs'] if old['weights'] == entry['weights'] and old['epoch'] < entry['epoch']]
    if not same or not distilling(record) or entry['total'] is None or same[0]['total'] is None:
        return entry['total'], None, None
    return entry['total'], same[0]['total'], entry['total'] < same[0]['total']
