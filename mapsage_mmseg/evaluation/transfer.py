"""Whether knowledge was transferred: the criterion of single runs and the comparison of many, put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from .comparison import Arm, Comparison, Difference
from .criteria import Record, agreement, agreement_since, judge
from .grouping import as_long, group
from .score_text import share, signed

ONE_SEED = 'One seed does not tell a gain, or a loss, from chance.'


@dataclass(frozen=True)
class Answer:
    """An answer for one experiment.

    Attributes:
        experiment: Its name.
        verdict: True, False, or None where it was not shown.
        headline: The same in words.
        reason: A sentence or two with the figures.
    """

    experiment: str
    verdict: bool | None
    headline: str
    reason: str


def answers(comparison: Comparison, records: Sequence[Record]) -> list[Answer]:
    """An answer for each experiment that had a teacher.

    From two seeds on: yes where the interval of the difference in mIoU to the control lies above zero and agreement
    with the teacher rose in every run; no where it lies below zero, or agreement rose in no run. From one seed: what
    the criterion ``knowledge_transfer`` says.

    Args:
        comparison: Of these records.
        records: Oldest first.
    """
    groups, _ = group(records)
    return [
        _answer(arm, groups[arm.experiment], {run['seed']: run for run in groups.get(arm.control or '', [])})
        for arm in comparison.arms
        if arm.experiment not in comparison.controls() and any(run.get('teacher') for run in groups[arm.experiment])
    ]


def _answer(arm: Arm, runs: Sequence[Record], controls: dict[Any, Record]) -> Answer:
    if arm.unfinished:
        return Answer(arm.experiment, None, 'Not shown', f'Not every run has finished: {"; ".join(arm.unfinished)}.')
    paired = [(run, controls[run['seed']]) for run in runs if run['seed'] in controls]
    if not all(as_long(run, its) for run, its in paired):
        reason = (
            f'{arm.experiment} and {arm.control} were not trained for as long, so neither tells what the teacher did.'
        )
        return Answer(arm.experiment, None, 'Not shown', reason)
    difference = arm.differences['mIoU']
    if difference is not None and difference.estimate.n > 1:
        return _many(arm, difference, [run for run, _ in paired if agreement(run)])
    criteria = [_criterion(run, controls.get(run['seed'])) for run in runs]
    met = {criterion.get('met') for criterion in criteria}
    verdict = met.pop() if len(met) == 1 else None
    reasons = dict.fromkeys(_sentence(criterion.get('reason') or 'no verdict in the record') for criterion in criteria)
    number = 'in one run' if len(runs) == 1 else f'in each of {len(runs)} runs'
    known = verdict is not None
    headline = _headline(verdict) + (f', {number}' if known else '')
    return Answer(arm.experiment, verdict, headline, ' '.join([*reasons, *([ONE_SEED] if known else [])]))


def _criterion(run: Record, control: Record | None) -> dict[str, Any]:
    """The run's own verdict; judged anew where the comparison has the control of the same seed."""
    if control is not None and control['status'] == 'finished':
        return judge(run, control=control)['knowledge_transfer']
    return run['criteria'].get('knowledge_transfer') or {}


def _many(arm: Arm, difference: Difference, runs: Sequence[Record]) -> Answer:
    found, agreed = difference.estimate, [pair for run in runs if (pair := agreement(run))]
    rose = [last > before for before, last in agreed]
    verdict = None
    known = len(agreed) == found.n
    if difference.verdict == 'worse' or (known and not any(rose)):
        verdict = False
    elif difference.verdict == 'better' and known and all(rose):
        verdict = True
    parts = [
        f'over {found.n} seeds mIoU {signed(found.mean)} against {arm.control} (95 % interval {signed(found.low)} to '
        f'{signed(found.high)})'
    ]
    if arm.closed is not None and arm.closed > 0:
        parts.append(f'{share(arm.closed)} of the distance to the teacher was closed')
    if agreed:
        before, last = (fmean(values) for values in zip(*agreed, strict=True))
        since = agreement_since(runs[0])
        parts.append(f'agreement with the teacher {before:.1f} % {since}, {last:.1f} % at the end')
    return Answer(arm.experiment, verdict, _headline(verdict), _sentence('; '.join(parts)))


def _headline(verdict: bool | None) -> str:
    return {True: 'Yes', False: 'No', None: 'Not shown'}[verdict]


def _sentence(text: str) -> str:
    return f'{text[:1].upper()}{text[1:]}.'
