"""A verdict and findings as lines of text, for a log."""

from collections.abc import Iterable, Mapping
from typing import Any

MARKS = {True: 'met', False: 'missed', None: 'not shown'}


def verdict_lines(
    criteria: Mapping[str, Mapping[str, Any]],
    milestones: Iterable[Mapping[str, Any]] = (),
    findings: Iterable[Mapping[str, Any]] = (),
) -> list[str]:
    """Returns one line per criterion and milestone (name, verdict, value, target, reason), and one per finding."""
    rows = [
        (name, MARKS[verdict['met']], number(verdict['value']), number(verdict['target']), verdict['reason'])
        for name, verdict in criteria.items()
    ]
    rows += [
        (
            f'epoch {stone["epoch"]}: {stone["what"]}',
            MARKS[stone['met']],
            number(stone['value']),
            number(stone['target']),
            '',
        )
        for stone in milestones
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    return [
        f'{name:<{widths[0]}}  {mark:<{widths[1]}}  {value:>{widths[2]}}  (target {target})  {reason}'.rstrip()
        for name, mark, value, target, reason in rows
    ] + [finding_line(finding) for finding in findings]


def finding_line(finding: Mapping[str, Any]) -> str:
    """Returns a finding as a line: epoch, situation, evidence, and what to try."""
    what = f'{finding["situation"]} ({finding["check"]})'.replace('_', ' ')
    return f'epoch {finding["epoch"]}: {what}: {finding["evidence"]}. Try: {finding["suggestion"]}'


def number(value: Any) -> str:
    """Formats a number with four significant digits; None as a dash, other values as they are."""
    if value is None:
        return '-'
    return f'{value:.4g}' if isinstance(value, int | float) else str(value)
