"""Number of seeds needed to show a difference."""

from math import sqrt
from statistics import stdev

from scipy.special import nctdtr, stdtrit

from .estimate import CONFIDENCE, SAME

WANTED = 1.0  # mIoU, percentage points
POWER = 0.8  # probability with which a difference of that size must be shown
MOST = 50  # seeds


def power(deviation: float, n: int, wanted: float = WANTED) -> float:
    """Computes the power of the paired t-test with ``n`` pairs of runs (Cohen 1988, chapter 2).

    Args:
        deviation: Standard deviation of the differences between paired runs, in percentage points; above 0.
        n: Number of pairs, at least 2.
        wanted: The true difference, in percentage points.

    Returns:
        The probability, 0 to 1, that the 95 % interval lies above zero.
    """
    bound = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    return float(1 - nctdtr(n - 1, wanted * sqrt(n) / deviation, bound))


def seeds_needed(differences: list[float], wanted: float = WANTED) -> int | None:
    """Computes how many pairs of runs, with the spread of these, show a true difference of ``wanted`` in four of five
    cases.

    Args:
        differences: Differences in mIoU, in percentage points, one for each seed.
        wanted: The difference to show, in percentage points.

    Returns:
        A number from 2 to ``MOST``; None for fewer than three differences, for differences without spread, or if more
        pairs would be needed.
    """
    deviation = stdev(differences) if len(differences) > 2 else 0.0
    if deviation <= SAME:
        return None
    return next((n for n in range(2, MOST + 1) if power(deviation, n, wanted) >= POWER), None)
