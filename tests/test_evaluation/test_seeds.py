"""How many seeds a difference needs: known sample sizes, a simulation, and what the answer says of it."""

import numpy as np
import pytest

from mapsage_mmseg.evaluation.comparison import compare
from mapsage_mmseg.evaluation.estimate import estimate
from mapsage_mmseg.evaluation.seeds import power, seeds_needed
from mapsage_mmseg.evaluation.transfer import answers
from tests.test_evaluation.test_transfer import three


def spread(deviation):
    """Three differences with that standard deviation."""
    return [0.0, deviation, -deviation]


# Sizes of the paired t-test for power 0.8 at 5 %, two-sided: G*Power 3.1's for effects of 0.5, 1 and 2 deviations.
@pytest.mark.parametrize(('deviation', 'wanted', 'seeds'), [(2.0, 1.0, 34), (1.0, 1.0, 10), (1.0, 2.0, 5)])
def test_sizes_that_tables_have(deviation, wanted, seeds):
    assert seeds_needed(spread(deviation), wanted) == seeds


def test_power_is_how_often_the_interval_clears_zero():
    draws = np.random.default_rng(0).normal(1.0, 0.8, (2000, 6))
    shown = np.mean([estimate(list(draw)).side() > 0 for draw in draws])
    assert power(0.8, 6) == pytest.approx(shown, abs=0.03)


@pytest.mark.parametrize('differences', [[], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0], [0.0, 30.0, -30.0]])
def test_where_it_is_not_known_or_hopeless(differences):
    assert seeds_needed(differences) is None


def test_an_answer_that_is_not_shown_says_how_many():
    runs = three([51.0, 53.0, 49.5])  # 1.0, 3.0 and -0.5 against the control: a deviation of 1.76
    (difference,) = [arm.differences['mIoU'] for arm in compare(runs).arms if arm.differences['mIoU']]
    assert difference.seeds_needed == 27
    (found,) = answers(compare(runs), runs)
    assert 'at this spread 27 seeds would show a difference of 1 mIoU' in found.reason


def test_an_answer_that_is_shown_asks_for_none():
    runs = three([52.0, 52.1, 51.9])
    (found,) = answers(compare(runs), runs)
    assert 'at this spread' not in found.reason
