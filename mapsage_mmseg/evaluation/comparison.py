"""Comparison of experiments, from the records of their runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import Any

from ..errors import InputError
from .alike import mixed, unlike
from .conventions import CONTROL, MATTERS, SEEDS
from .criteria import Record, final, validated
from .estimate import CONFIDENCE, Estimate, estimate
from .grouping import as_long, check_same_data, group, run_name, uneven
from .over_images import paired_bootstrap, read_areas
from .seeds import seeds_needed
from .sequential import repeated_confidence

# Scores of the last validation; 1 if higher is better, -1 if lower. The total has no direction: its weights differ.
SCORES = dict(mIoU=1, task_loss=-1, boundary_f1=1, teacher_agreement=1)


@dataclass(frozen=True)
class Difference:
    """An experiment minus the control, paired by seed.

    Attributes:
        seeds: Seeds that both have.
        estimate: Mean and confidence interval of the differences over seeds.
        verdict: 'better' or 'worse' if the interval of at least three seeds excludes zero. 'too small' if there are as
            many seeds, but the mean is below the difference that matters. 'not shown' if the interval includes zero,
            with fewer seeds, while a run is unfinished, or if the control differs in more than distillation.
        images: Ends of the 95 % interval of the mean difference over the validation images, for mIoU if the runs saved
            the areas of these images; else None.
        seeds_needed: Number of seeds that would show a difference of 1 mIoU at this spread; None if it is not known.
    """

    seeds: list[int | None]
    estimate: Estimate
    verdict: str
    images: tuple[float, float] | None = None
    seeds_needed: int | None = None


@dataclass(frozen=True)
class ExperimentResult:
    """Results of one experiment's runs.

    Attributes:
        experiment: Name of the experiment.
        control: The experiment that it is compared with; None if there is none.
        seeds: Seed of each run.
        unfinished: A note for each unfinished run.
        epochs: Number of epochs that each run has completed.
        scores: Estimates of the scores of the last validation (in percent, except the task loss) and of the last
            ``total``; None if no run has one.
        IoU: Estimates of each class's IoU in the last validation, in percent.
        params_m, gflops: The student's parameters in millions, and its forward GFLOPs per image; None if not recorded.
        teacher_mIoU: Mean recorded mIoU of the runs' teachers, in percent.
        teacher_params_m, teacher_gflops: The same for the teachers.
        seconds_per_epoch: Median over all epochs.
        git_commits, devices: All distinct values.
        differences, IoU_differences: Differences to the control; None if no seed is shared.
        closed: Share of the gap between the control's mIoU and the teacher's that was closed, over the shared seeds;
            None without a teacher better than the control, or if a run and its control differ in length.
        best: Estimate of each run's best validation mIoU, that of the checkpoint ``best_mIoU``. ``scores`` are those of
            the final student.
        apart: Differences between the runs and their controls, in words, except distillation.
    """

    experiment: str
    control: str | None
    seeds: list[int | None]
    unfinished: list[str]
    epochs: list[int]
    scores: dict[str, Estimate | None]
    IoU: dict[str, Estimate | None]
    params_m: float | None
    gflops: float | None
    teacher_mIoU: float | None
    teacher_params_m: float | None
    teacher_gflops: float | None
    seconds_per_epoch: float | None
    git_commits: list[str]
    devices: list[str]
    differences: dict[str, Difference | None]
    IoU_differences: dict[str, Difference | None]
    closed: float | None
    best: Estimate | None = None
    apart: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Experiments on the same data.

    Attributes:
        dataset: The ``dataset`` of the records.
        control: The experiment that the others are compared with, unless they name a control of their own; or None.
        arms: The control first, then the others in their original order.
        notes: Notes about the choice of runs.
    """

    dataset: dict[str, Any]
    control: str | None
    arms: list[ExperimentResult]
    notes: list[str]

    def controls(self) -> list[str]:
        """Returns the distinct experiments that others are compared with, the common one first."""
        named = dict.fromkeys(arm.control for arm in self.arms if arm.control is not None)
        return sorted(named, key=lambda name: name != self.control)

    def as_dict(self) -> dict[str, Any]:
        """Returns the comparison as plain data, for JSON."""
        return asdict(self)


def compare(
    records: Sequence[Record],
    control: str | None = None,
    matters: float = MATTERS,
    looks: tuple[int, int] | None = None,
) -> Comparison:
    """Compares runs, grouped by experiment.

    Args:
        records: Oldest first. The optional key ``path`` names the run in messages.
        control: The experiment to compare all others with. If None, each is compared with the control that its records
            name, or else with ``'no_distill'``, if these are among the runs.
        matters: The smallest difference in mIoU, in percentage points, that matters in practice.
        looks: First and last number of seeds at which the comparison was looked at, if it could have stopped at each:
            intervals of differences are wider then (:func:`~mapsage_mmseg.evaluation.sequential.repeated_confidence`).

    Raises:
        InputError: There is no run, the runs have different data or classes, or the control is not among them.
    """
    check_same_data(records)
    groups, notes = group(records)
    if control is not None and control not in groups:
        raise InputError(f'the control {control!r} is not among the experiments: {", ".join(groups)}')
    own = {name: control or _control_of(runs, groups) for name, runs in groups.items()}
    named = list(dict.fromkeys(its for name, its in own.items() if its not in (None, name)))
    common = control or (CONTROL if CONTROL in groups else named[0] if named else None)
    confidence = repeated_confidence(*looks) if looks else CONFIDENCE
    arms = [
        _arm(name, groups[name], own[name] if own[name] != name else None, groups, matters, confidence)
        for name in sorted(groups, key=lambda name: name != common)
    ]
    apart = [
        f'{arm.experiment} and {arm.control} differ in more than distillation: {"; ".join(arm.apart)}.'
        for arm in arms
        if arm.apart
    ]
    notes += uneven(groups) + apart
    if looks:
        notes.append(
            f'The comparison could stop after each seed from {looks[0]} to {looks[1]}. Each interval of a difference '
            f'therefore has a confidence of {confidence:.1%}: all looks together are right in 95 % of cases.'
        )
    return Comparison(dict(records[0]['dataset']), common, arms, notes)


def _control_of(runs: Sequence[Record], groups: Mapping[str, Any]) -> str | None:
    named = {run.get('control') for run in runs}
    mine = named.pop() if len(named) == 1 else None
    return mine if mine in groups else CONTROL if CONTROL in groups else None


def last_score(record: Record, key: str) -> float | None:
    """Returns a score of the last validation; ``total`` is that of the last epoch."""
    if key == 'total':
        return record['epochs'][-1]['total'] if record['epochs'] else None
    return final(record, key)


def last_iou(record: Record, name: str) -> float | None:
    """Returns the IoU of a class in the last validation, in percent."""
    return (final(record, 'IoU') or {}).get(name)


def _arm(
    experiment: str,
    runs: Sequence[Record],
    control: str | None,
    groups: Mapping[str, Sequence[Record]],
    matters: float,
    confidence: float,
) -> ExperimentResult:
    classes = runs[0]['dataset']['classes']
    teachers = [run['teacher'] for run in runs if run.get('teacher')]
    student = runs[-1]['student']
    seconds = _known(entry.get('seconds') for run in runs for entry in run['epochs'])
    pairs = _pairs(runs, groups[control] if control else ())
    apart = list(dict.fromkeys(told for pair in pairs for told in unlike(*pair)))
    apart += mixed(runs) if pairs else []
    best = [max(score for _, score in found) for run in runs if (found := validated(run, 'mIoU'))]
    return ExperimentResult(
        experiment=experiment,
        control=control,
        seeds=[run['seed'] for run in runs],
        unfinished=[
            f'{run_name(run)}: {run["status"]} after epoch {len(run["epochs"])}'
            for run in runs
            if run['status'] != 'finished'
        ],
        epochs=[len(run['epochs']) for run in runs],
        scores={key: estimate(_known(last_score(run, key) for run in runs)) for key in (*SCORES, 'total')},
        IoU={name: estimate(_known(last_iou(run, name) for run in runs)) for name in classes},
        params_m=student.get('params_m'),
        gflops=student.get('gflops'),
        teacher_mIoU=_mean(teachers, 'mIoU'),
        teacher_params_m=_mean(teachers, 'params_m'),
        teacher_gflops=_mean(teachers, 'gflops'),
        seconds_per_epoch=median(seconds) if seconds else None,
        git_commits=_distinct(run.get('git_commit') for run in runs),
        devices=_distinct(run.get('device') for run in runs),
        differences={
            key: _difference(
                pairs,
                [(last_score(a, key), last_score(b, key)) for a, b in pairs],
                sign,
                confidence,
                matters if key == 'mIoU' else 0.0,
                alike=not apart,
            )
            for key, sign in SCORES.items()
        },
        IoU_differences={
            name: _difference(
                pairs, [(last_iou(a, name), last_iou(b, name)) for a, b in pairs], 1, confidence, alike=not apart
            )
            for name in classes
        },
        closed=_closed(pairs),
        best=estimate(best),
        apart=apart,
    )


def _pairs(runs: Sequence[Record], controls: Sequence[Record]) -> list[tuple[Record, Record]]:
    by_seed = {other['seed']: other for other in controls}
    return [(run, by_seed[run['seed']]) for run in runs if run['seed'] in by_seed]


def _difference(
    pairs: Sequence[tuple[Record, Record]],
    values: Sequence[tuple[float | None, float | None]],
    sign: int,
    confidence: float,
    matters: float = 0.0,
    alike: bool = True,
) -> Difference | None:
    known = [
        (pair, mine - its)
        for pair, (mine, its) in zip(pairs, values, strict=True)
        if mine is not None and its is not None
    ]
    found = estimate([value for _, value in known], confidence)
    if found is None:
        return None
    finished = all(run['status'] == 'finished' for pair, _ in known for run in pair)
    known_side = finished and alike and found.n >= SEEDS
    images = _over_images([pair for pair, _ in known]) if matters else None
    verdict = {1: 'better', -1: 'worse', 0: 'not shown'}[sign * found.side() if known_side else 0]
    if known_side and abs(found.mean) < matters:
        verdict = 'too small'
    needed = seeds_needed([value for _, value in known]) if matters else None
    return Difference([run['seed'] for (run, _), _ in known], found, verdict, images, needed)


def _over_images(pairs: Sequence[tuple[Record, Record]]) -> tuple[float, float] | None:
    areas = [tuple(read_areas(run['path']) if run.get('path') else None for run in pair) for pair in pairs]
    whole = [(mine, its) for mine, its in areas if mine is not None and its is not None]
    return paired_bootstrap(whole) if len(whole) == len(pairs) else None


def _closed(pairs: Sequence[tuple[Record, Record]]) -> float | None:
    gained = distance = 0.0
    for run, control in pairs:
        if not as_long(run, control):  # then the gain cannot be attributed to the teacher
            return None
        mine, its = last_score(run, 'mIoU'), last_score(control, 'mIoU')
        teacher = (run.get('teacher') or {}).get('mIoU')
        if mine is not None and its is not None and teacher is not None:
            gained, distance = gained + mine - its, distance + teacher - its
    return gained / distance if distance > 0 else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(teachers: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = _known(teacher.get(key) for teacher in teachers)
    return fmean(values) if values else None


def _distinct(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value})
