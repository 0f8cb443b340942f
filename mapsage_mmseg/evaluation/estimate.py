"""Means with their confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose, sqrt
from statistics import fmean, stdev

from scipy.special import stdtrit

CONFIDENCE = 0.95
SAME = 1e-9  # up to which two ends of an interval are one: differences of rounded scores are not exact


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval by Student's t; from a single value there is no interval.

    Attributes:
        n: Number of values.
        mean: Their mean.
        low, high: Ends of the interval, mean -+ t(0.975, n - 1) * s / sqrt(n); None for n = 1.
    """

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the interval's width, the figure behind a plus-minus sign."""
        return None if self.low is None else self.mean - self.low

    def side(self) -> int:
        """1 or -1 where the interval lies above or below zero; 0 where it does not clear it, or there is none, or all
        values are the same: scores are rounded, and no spread says nothing of what chance would do."""
        if self.low is None or self.high is None or isclose(self.low, self.high, abs_tol=SAME):
            return 0
        return (self.low > 0) - (self.high < 0)


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and 95 % interval of what was measured; None of nothing."""
    if not values:
        return None
    n, mean = len(values), fmean(values)
    if n == 1:
        return Estimate(1, mean)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * stdev(values) / sqrt(n)
    return Estimate(n, mean, mean - half, mean + half)
