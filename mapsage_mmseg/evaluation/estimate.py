"""Means with confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose, sqrt
from statistics import fmean, stdev

from scipy.special import stdtrit

CONFIDENCE = 0.95
SAME = 1e-9  # ends of an interval this close are equal: differences of rounded scores are not exact


@dataclass(frozen=True)
class Estimate:
    """A mean and its confidence interval by Student's t.

    Attributes:
        n: Number of values.
        mean: Mean of the values.
        low, high: Ends of the interval, mean -+ t((1 + confidence) / 2, n - 1) * s / sqrt(n); None for n = 1.
    """

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the interval's width, the number after a plus-minus sign."""
        return None if self.low is None else self.mean - self.low

    def side(self) -> int:
        """Returns 1 if the interval lies above zero, -1 if it lies below, else 0.

        Also 0 without an interval, or if all values are equal: scores are rounded, so a spread of zero is no evidence.
        """
        if self.low is None or self.high is None or isclose(self.low, self.high, abs_tol=SAME):
            return 0
        return (self.low > 0) - (self.high < 0)


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """Returns mean and confidence interval of the values; None if there are none."""
    if not values:
        return None
    n, mean = len(values), fmean(values)
    if n == 1:
        return Estimate(1, mean)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * stdev(values) / sqrt(n)
    return Estimate(n, mean, mean - half, mean + half)
