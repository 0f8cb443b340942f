"""Medians and ratios, worked out by hand."""

import pytest

from mapsage_mmseg.evaluation.timing import over, ratios, spread, summarise_seconds


def test_median_and_quartiles():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == (3.0, 2.0, 4.0)
    assert spread([7.0]) == (7.0, 7.0, 7.0)
    assert summarise_seconds(dict(student=[1.0, 3.0])) == dict(student=dict(median=2.0, low=1.5, high=2.5))


def test_ratios_are_taken_round_by_round():
    # In the second round the machine is ten times slower: the ratios do not notice.
    seconds = dict(
        student=[1.0, 10.0], teacher=[2.0, 20.0], phase1=[1.1, 11.0], phase2=[3.0, 30.0], mmrazor=[4.0, 40.0]
    )
    found = ratios(seconds, (1, 4))
    assert found['phase1_over_student']['median'] == pytest.approx(1.1)
    assert found['phase2_over_floor'] == dict(median=1.0, low=1.0, high=1.0)
    assert found['phase2_over_mmrazor']['median'] == pytest.approx(0.75)
    assert found['run_over_mmrazor']['median'] == pytest.approx((1.1 + 4 * 3) / (5 * 4))
    assert found['cached_over_student'] is None and found['phase2_half_over_floor'] is None
    found = ratios(seconds | dict(cached=[1.2, 12.0]), (1, 4))
    assert found['cached_over_student']['median'] == pytest.approx(1.2)
    assert found['run_cached_over_mmrazor']['median'] == pytest.approx((1.1 + 4 * 1.2) / (5 * 4))


def test_every_other_contender_over_one():
    found = over(dict(phase2=[1.0, 10.0, 2.0], amp=[0.5, 5.0, 1.0]), 'phase2')
    assert found == dict(amp_over_phase2=dict(median=0.5, low=0.5, high=0.5))
