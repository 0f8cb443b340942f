"""Number of seeds that a difference needs to be shown."""

from math import sqrt
from statistics import stdev

from scipy.special import nctdtr, stdtrit

from .estimate import CONFIDENCE, SAME

WANTED = 1.0  # mIoU, percent points
POWER = 0.8  # how often a difference of that size is to be shown
MOST = 50  # seeds


def power(deviation: float, n: int, wanted: float = WANTED) -> float:
    """How often ``n`` pairs of runs show a difference: the power of the paired t-test (Cohen 1988, chapter 2).

    Args:
        deviation: Standard deviation of the differences between paired runs, percent points; above 0.
        n: Pairs, at least 2.
        wanted: The true difference, percent points.

    Returns:
        The probability, 0 to 1, that the 95 % interval lies above zero.
    """
    bound = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    return float(1 - nctdtr(n - 1, wanted * sqrt(n) / deviation, bound))


def seeds_needed(differences: list[float], wanted: float = WANTED) -> int | None:
    """Pairs of runs that show a true difference of ``wanted`` in four of five cases, if they spread like these.

    Args:
        differences: In mIoU, percent points, one a seed.
        wanted: The difference to be shown, percent points.

    Returns:
        At least 2 and at most ``MOST``; None of fewer than three differences, of differences without a spread, and
        where more would be needed.
    """
    deviation = stdev(differences) if len(differences) > 2 else 0.0
    if deviation <= SAME:
        return None
    return next((n for n in range(2, MOST + 1) if power(deviation, n, wanted) >= POWER), None)
