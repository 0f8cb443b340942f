"""Temperatures, worked out by hand."""

import pytest

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.schedules import Clock, TemperatureSchedule


@pytest.mark.parametrize(('epoch', 'temperature'), [(0, 6.0), (1, 5.88), (12, 4.56), (24, 3.12)])
def test_linear_is_6_in_the_first_epoch_and_3_12_in_the_last_of_25(epoch, temperature):
    for iteration in (epoch * 7, epoch * 7 + 6):  # all through an epoch
        assert TemperatureSchedule().at(Clock(iteration, 175, 7)) == pytest.approx(temperature)


def test_linear_by_iteration_needs_no_epochs():
    assert TemperatureSchedule(8, 2, by='iter').at(Clock(25, 100)) == pytest.approx(6.5)


def test_cosine_is_halfway_at_half_time_and_slower_than_linear_before():
    schedule = TemperatureSchedule(6, 2, shape='cosine', by='iter')
    assert schedule.at(Clock(50, 100)) == pytest.approx(4.0)
    assert schedule.at(Clock(25, 100)) == pytest.approx(6 - 4 * (1 - 2**-0.5) / 2)


def test_constant_ignores_the_clock():
    schedule = TemperatureSchedule(4, 1, shape='constant')
    assert {schedule.at(Clock(i, 100)) for i in (0, 50, 99)} == {4.0}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(start=0), r'start=0 must be a number above 0'),
        (dict(end=-1.0), r'end=-1\.0'),
        (dict(start=float('inf')), r'start=inf'),
        (dict(start='hot'), r"start='hot'"),
        (dict(shape='square'), r'linear, cosine, constant'),
        (dict(by='phase'), r"by='phase'"),
    ],
)
def test_mistakes_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        TemperatureSchedule(**settings)
