"""Verdict on knowledge transfer, from the runs' criteria and their comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from .comparison import Comparison, Difference, ExperimentResult
from .conventions import SEEDS
from .criteria import Record, agreement, agreement_since, final, judge
from .grouping import group
from .knowledge import recorded_knowledge
from .score_text import sentence, share, signed
from .seeds import WANTED


@dataclass(frozen=True)
class Answer:
    """Whether knowledge was transferred in one experiment.

    Attributes:
        experiment: Name of the experiment.
        verdict: True, False, or None if it was not shown.
        headline: The verdict in words.
        reason: One or two sentences with the numbers.
    """

    experiment: str
    verdict: bool | None
    headline: str
    reason: str


def answers(comparison: Comparison, records: Sequence[Record]) -> list[Answer]:
    """Answers for each experiment with a teacher whether knowledge was transferred.

    This needs at least three seeds, finished runs, and a control that differs only in distillation; else the answer is
    'Not shown'. 'Yes': the confidence interval of the difference in mIoU lies above zero, and agreement with the
    teacher rose in every run. 'No': the interval lies below zero, or agreement rose in no run. 'No difference that
    matters': the difference is too small. 'Not shown': everything in between.

    Args:
        comparison: Comparison of these records.
        records: Oldest first.
    """
    groups, _ = group(records)
    return [
        _answer(arm, groups[arm.experiment], {run['seed']: run for run in groups.get(arm.control or '', [])})
        for arm in comparison.arms
        if arm.experiment not in comparison.controls() and any(run.get('teacher') for run in groups[arm.experiment])
    ]


def _answer(arm: ExperimentResult, runs: Sequence[Record], controls: dict[Any, Record]) -> Answer:
    if arm.unfinished:
        return Answer(arm.experiment, None, 'Not shown', f'Not every run has finished: {"; ".join(arm.unfinished)}.')
    paired = [(run, controls[run['seed']]) for run in runs if run['seed'] in controls]
    if arm.apart:
        reason = f'{arm.control} is no control of {arm.experiment}, they differ in more than distillation'
        return Answer(arm.experiment, None, 'Not shown', sentence(f'{reason}: {"; ".join(arm.apart)}'))
    difference = arm.differences['mIoU']
    if difference is not None and difference.estimate.n >= SEEDS:
        return _many(arm, difference, [run for run, _ in paired if agreement(run)])
    criteria = [judge(run, control=controls.get(run['seed']))['knowledge_transfer'] for run in runs]
    reasons = dict.fromkeys(sentence(criterion['reason']) for criterion in criteria)
    if difference is not None and difference.estimate.n > 1:
        reasons = {
            sentence(
                f'over {difference.estimate.n} seeds mIoU {signed(difference.estimate.mean)} against {arm.control}; '
                f'{SEEDS} at least tell a difference from chance'
            ): None
        }
    return Answer(arm.experiment, None, 'Not shown', ' '.join(reasons))


def _many(arm: ExperimentResult, difference: Difference, runs: Sequence[Record]) -> Answer:
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
    if verdict is None and difference.seeds_needed is not None and difference.seeds_needed > found.n:
        parts.append(f'at this spread {difference.seeds_needed} seeds would show a difference of {WANTED:g} mIoU')
    if difference.images is not None:
        low, high = difference.images
        parts.append(f'over the validation images {signed(low)} to {signed(high)}')
    if arm.closed is not None and arm.closed > 0:
        parts.append(f'{share(arm.closed)} of the distance to the teacher was closed')
    if agreed:
        before, last = (fmean(values) for values in zip(*agreed, strict=True))
        since = agreement_since(runs[0])
        parts.append(f'agreement with the teacher {before:.1f} % {since}, {last:.1f} % at the end')
    knowledge = recorded_knowledge(runs[0]) if verdict is not True and runs else None
    if knowledge is not None and knowledge.by_heart:
        parts.append(f'{knowledge.figures()}: of its training images it says little that their labels do not')
    passed = [run for run in runs if _passed(run)]
    if passed:
        parts.append(f'the student passed its teacher in {len(passed)} of {len(runs)} runs')
    headline = {True: 'Yes', False: 'No', None: 'Not shown'}[verdict]
    if difference.verdict == 'too small' and verdict is None:
        headline = 'No difference that matters'
    return Answer(arm.experiment, verdict, headline, sentence('; '.join(parts)))


def _passed(run: Record) -> bool:
    mine, teacher = final(run, 'mIoU'), (run.get('teacher') or {}).get('mIoU')
    return None not in (mine, teacher) and mine > teacher
