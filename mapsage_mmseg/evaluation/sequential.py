"""Confidence intervals for comparisons that are looked at after every seed."""

from functools import lru_cache

import numpy as np
from scipy.special import stdtr

from .estimate import CONFIDENCE

SIMULATED = 200_000  # comparisons of two equal experiments


@lru_cache
def repeated_confidence(first: int, last: int) -> float:
    """Returns the confidence that each interval needs so that all of them together hold in 95 % of cases.

    A comparison that is looked at after each seed from ``first`` to ``last`` and stops as soon as the interval clears
    zero would claim a difference between equal experiments in far more than 5 % of cases, were each interval a 95 %
    one. This is Pocock's boundary (1977, Biometrika 64) for Student's t with few seeds, from simulated differences
    with a fixed random seed: the level at which the smallest p-value of all looks falls below it in 5 % of cases.

    Args:
        first: Seeds at the first look, at least 2.
        last: Seeds at the last look; the plan, whether or not it is reached.

    Returns:
        Between 0.95, for one look, and 1.
    """
    if first == last:
        return CONFIDENCE
    draws = np.random.default_rng(0).standard_normal((SIMULATED, last))
    counts = np.arange(1, last + 1)
    means = draws.cumsum(axis=1) / counts
    squares = (draws**2).cumsum(axis=1)
    looks = slice(first - 1, last)
    variance = (squares[:, looks] - counts[looks] * means[:, looks] ** 2) / (counts[looks] - 1)
    t = np.abs(means[:, looks]) * np.sqrt(counts[looks] / variance)
    smallest = (2 * stdtr(counts[looks] - 1, -t)).min(axis=1)
    return 1 - float(np.quantile(smallest, 1 - CONFIDENCE))
