"""Estimates for a whole run from a few iterations."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from .record import summarise


def suggest_weights(weights: Mapping[str, float], terms: Mapping[str, float | None]) -> dict[str, float | None]:
    """Weights under which each term's share of the total is its declared weight's share of all weights.

    The task keeps its weight, so that the learning rate keeps its meaning: w'_i = w_i * L_task / L_i.

    Args:
        weights: As the config declares them.
        terms: Mean of each unweighted term.

    Returns:
        By term of ``weights``; None for a term that was not computed or is 0.
    """
    task = terms.get('task')
    return {
        name: weight * task / value if task and (value := terms.get(name)) else None for name, weight in weights.items()
    }


def gradient_ratios(weights: Mapping[str, float], norms: Mapping[str, float]) -> dict[str, float | None]:
    """Norm of each level's weighted gradient over that of the task's: how much it decides about the student.

    Args:
        weights: That held.
        norms: Of the unweighted terms' gradients, see ``epochs[].gradients`` of a record.

    Returns:
        By level of ``weights``; None where one of the two norms is not known, or the task's is 0.
    """
    task = weights.get('task', 0.0) * norms.get('task', 0.0)
    return {
        name: weight * norms[name] / task if task and name in norms else None
        for name, weight in weights.items()
        if name != 'task'
    }


def dry_run_record(
    steps: Sequence[Mapping[str, float]],
    phase: str,
    weights: Mapping[str, float],
    dataset: Mapping[str, Any],
    val: Mapping[str, Any],
) -> dict[str, Any]:
    """A record of one entry, as if the iterations of the dry run were an epoch.

    Args:
        steps: Logged values of each iteration.
        phase, weights: Under which they ran.
        dataset: ``classes`` and ``chance_loss``.
        val: Scores, as in a record.
    """
    columns: dict[str, list[float]] = {}
    for step in steps:
        for key, value in step.items():
            columns.setdefault(key, []).append(value)
    entry = dict(epoch=1, phase=phase, **summarise(columns, weights), val=dict(val))
    return dict(dataset=dict(dataset), epochs=[entry], findings=[])


def estimate_seconds(
    planned: Sequence[int], seconds: Sequence[Sequence[float]], validations: int, validation: float
) -> float:
    """Expected seconds of a run.

    Args:
        planned: Iterations of each phase.
        seconds: Seconds of each iteration of the dry run, by phase; the first ones of a phase warm up and are left out.
        validations: How many there will be.
        validation: Seconds of one.
    """
    pace = [median(times[2:] or times) if times else None for times in seconds]
    known = [value for value in pace if value is not None]
    steps = sum(n * (value if value is not None else fmean(known)) for n, value in zip(planned, pace, strict=True) if n)
    return steps + validations * validation
