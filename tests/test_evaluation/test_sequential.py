"""Intervals for repeated looks keep their 5 % together."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from mapsage_mmseg.evaluation.sequential import repeated_confidence


@pytest.mark.parametrize(('first', 'last'), [(3, 3), (3, 5), (3, 8)])
def test_equal_experiments_are_told_apart_in_5_percent_of_cases(first, last):
    """By another generator, another test and fewer cases than the boundary itself was found with."""
    level = 1 - repeated_confidence(first, last)
    cases = np.random.default_rng(7).normal(size=(20_000, last))
    claimed = np.zeros(len(cases), bool)
    for seeds in range(first, last + 1):
        claimed |= ttest_1samp(cases[:, :seeds], 0.0, axis=1).pvalue < level
    assert claimed.mean() == pytest.approx(0.05, abs=0.006)


def test_more_looks_ask_for_more_confidence():
    found = [repeated_confidence(3, last) for last in range(3, 9)]
    assert found[0] == 0.95 and found == sorted(found) and found[-1] < 0.99
    assert repeated_confidence(3, 5) == repeated_confidence(3, 5)
