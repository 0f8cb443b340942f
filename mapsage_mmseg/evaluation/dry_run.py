"""Estimates for a full run from a few iterations."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from .record import summarise


def suggest_weights(weights: Mapping[str, float], terms: Mapping[str, float | None]) -> dict[str, float | None]:
    """Suggests weights that give each term a share of the total equal to its declared weight's share of all weights.

    The task keeps its weight, so the same learning rate applies: w'_i = w_i * L_task / L_i.

    Args:
        weights: Weights declared in the config.
        terms: Mean of each unweighted term.

    Returns:
        Weight of each term in ``weights``; None for a term that was not computed or is 0.
    """
    task = terms.get('task')
    return {
        name: weight * task / value if task and (value := terms.get(name)) else None for name, weight in weights.items()
    }


def gradient_ratios(weights: Mapping[str, float], norms: Mapping[str, float]) -> dict[str, float | None]:
    """Computes the norm of each level's weighted gradient, divided by the task's: the level's influence on the student.

    Args:
        weights: Weights in effect.
        norms: Gradient norms of the unweighted terms, see ``epochs[].gradients`` of a record.

    Returns:
        Ratio for each level in ``weights``; None if one of the two norms is not known, or the task's is 0.
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
    """Returns a record with one entry, as if the iterations of the dry run were an epoch.

    Args:
        steps: Logged values of each iteration.
        phase, weights: Phase and weights of these iterations.
        dataset: ``classes`` and ``chance_loss``.
        val: Validation scores, as in a record.
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
    """Estimates the duration of a run in seconds.

    Args:
        planned: Iterations of each phase.
        seconds: Seconds of each iteration of the dry run, by phase; the first two of a phase are warm-up and left out.
        validations: Number of validations.
        validation: Seconds of one validation.
    """
    pace = [median(times[2:] or times) if times else None for times in seconds]
    known = [value for value in pace if value is not None]
    steps = sum(n * (value if value is not None else fmean(known)) for n, value in zip(planned, pace, strict=True) if n)
    return steps + validations * validation
