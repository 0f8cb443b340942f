"""Phases, worked out by hand, and every mistake that they refuse."""

import pytest

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.schedules import Clock, PhaseSchedule

IMPROVED = [
    dict(name='task', begin=1, end=5, by='epoch', weights=dict(task=1.0)),
    dict(name='distill', begin=6, by='epoch', weights=dict(task=0.6, distill=0.3, feature=0.1, attention=0.05)),
]


@pytest.mark.parametrize(('iteration', 'name'), [(0, 'task'), (49, 'task'), (50, 'distill'), (249, 'distill')])
def test_epoch_phases_switch_between_the_last_iteration_of_epoch_5_and_the_first_of_epoch_6(iteration, name):
    assert PhaseSchedule(IMPROVED).at(Clock(iteration, 250, iters_per_epoch=10)).name == name


def test_iteration_phases_count_from_1_and_include_their_end():
    schedule = PhaseSchedule(
        [dict(begin=1, end=3, by='iter', weights=dict(task=1)), dict(begin=4, by='iter', weights=dict(distill=1))]
    )
    assert [schedule.index(Clock(i, 6)) for i in range(6)] == [0, 0, 0, 1, 1, 1]


def test_terms_are_those_that_some_phase_names():
    assert PhaseSchedule(IMPROVED).terms == {'task', 'distill', 'feature', 'attention'}


def test_epochs_under_an_iteration_loop_need_their_length():
    with pytest.raises(InputError, match='iters_per_epoch'):
        PhaseSchedule(IMPROVED).at(Clock(0, 250))


def phase(**changes):
    return {**dict(name='a', begin=1, weights=dict(task=1.0)), **changes}


@pytest.mark.parametrize(
    ('phases', 'message'),
    [
        ([], r'names no phase'),
        ([phase(begin=2)], r'phases\[0\]\.begin=2'),
        ([phase(end=5)], r'phases\[0\]\.end=5.*leave its end out'),
        ([phase(end=5), phase(begin=5)], r'overlap.*begin must be 6'),
        ([phase(end=5), phase(begin=8)], r'leave a gap.*begin must be 6'),
        ([phase(), phase(begin=2)], r'has no end'),
        ([phase(begin=3, end=2)], r'end=2 lies before its begin=3'),
        ([phase(begin=0)], r'begin=0 must be a whole number from 1'),
        ([phase(begin=1.5)], r'begin=1\.5 must be a whole number'),
        ([phase(weights=dict(task=-0.1))], r'weights\.task=-0\.1'),
        ([phase(weights=dict(task=float('nan')))], r'weights\.task=nan'),
        ([phase(weights=dict(task='much'))], r"weights\.task='much'"),
        ([phase(weights=dict(task=0.0, distill=0))], r'every weight is 0'),
        ([phase(weights={})], r'must name the weight'),
        ([phase(by='step')], r"by='step' must be 'epoch' or 'iter'"),
        ([phase(wieghts=dict(task=1))], r'phases\[0\]\.wieghts is unknown'),
        ([phase(end=5), phase(begin=6, by='iter')], r'mix'),
    ],
)
def test_mistakes_are_refused_with_the_key_at_fault(phases, message):
    with pytest.raises(InputError, match=message):
        PhaseSchedule(phases)
