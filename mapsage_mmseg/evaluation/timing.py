"""Medians and ratios of benchmark steps that were timed in turns."""

from collections.abc import Callable, Mapping, Sequence
from statistics import quantiles
from typing import Any

Seconds = Mapping[str, Sequence[float]]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns median, lower and upper quartile."""
    low, middle, high = quantiles(values, n=4, method='inclusive') if len(values) > 1 else [values[0]] * 3
    return middle, low, high


def summarise_seconds(seconds: Seconds) -> dict[str, dict[str, float]]:
    """Returns ``median``, ``low`` and ``high`` (quartiles) of each benchmark step, in seconds per step."""
    return {name: dict(zip(('median', 'low', 'high'), spread(values), strict=True)) for name, values in seconds.items()}


def over(seconds: Seconds, base: str) -> dict[str, dict[str, float]]:
    """Divides every other benchmark step by ``base``, round by round: ``median``, ``low`` and ``high`` of each
    ratio."""
    found = {}
    for name in seconds:
        if name != base:
            values = [mine / its for mine, its in zip(seconds[name], seconds[base], strict=True)]
            found[f'{name}_over_{base}'] = dict(zip(('median', 'low', 'high'), spread(values), strict=True))
    return found


def ratios(seconds: Seconds, phases: Sequence[int]) -> dict[str, dict[str, float] | None]:
    """Computes the cost of each benchmark step relative to its reference.

    A ratio is computed for each round, between steps that ran one after another, so a temporary slowdown of the machine
    affects both.

    Args:
        seconds: Seconds of each round, by benchmark step (``student``, ``teacher``, ``phase1``, ``phase2``,
            ``mmrazor``, ...).
        phases: Number of iterations of the run without the teacher, and with it.

    Returns:
        ``median``, ``low`` and ``high`` (quartiles over the rounds) of each ratio; None if one of its steps was not
        timed.
    """
    without, with_teacher = phases

    def run(step: Mapping[str, float], name: str) -> float:
        return without * step['phase1'] + with_teacher * step[name]

    formulas: dict[str, Callable[[Mapping[str, float]], float]] = dict(
        phase1_over_student=lambda step: step['phase1'] / step['student'],
        phase2_over_floor=lambda step: step['phase2'] / (step['student'] + step['teacher']),
        phase2_half_over_floor=lambda step: step['phase2_half'] / (step['student'] + step['teacher']),
        phase2_over_mmrazor=lambda step: step['phase2'] / step['mmrazor'],
        phase2_half_over_mmrazor=lambda step: step['phase2_half'] / step['mmrazor'],
        run_over_mmrazor=lambda step: run(step, 'phase2') / ((without + with_teacher) * step['mmrazor']),
        run_half_over_mmrazor=lambda step: run(step, 'phase2_half') / ((without + with_teacher) * step['mmrazor']),
        cached_over_student=lambda step: step['cached'] / step['student'],
        run_cached_over_mmrazor=lambda step: run(step, 'cached') / ((without + with_teacher) * step['mmrazor']),
    )
    rounds = [dict(zip(seconds, values, strict=True)) for values in zip(*seconds.values(), strict=True)]
    found: dict[str, dict[str, Any] | None] = {}
    for name, formula in formulas.items():
        try:
            values = [formula(step) for step in rounds]
        except KeyError:
            found[name] = None
        else:
            found[name] = dict(zip(('median', 'low', 'high'), spread(values), strict=True))
    return found
