"""Any phases and any clock: what holds for all, and InputError for what is none."""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.schedules import Clock, PhaseSchedule, TemperatureSchedule

TERMS = ('task', 'distill', 'feature', 'attention')
WEIGHTS = st.dictionaries(st.sampled_from(TERMS), st.floats(0, 1e6), min_size=1).filter(
    lambda found: any(found.values())
)
UNITS = st.sampled_from(['epoch', 'iter'])


@st.composite
def sound_phases(draw):
    """Phases of a few epochs or iterations each that follow one another, and the unit."""
    by, begin, phases = draw(UNITS), 1, []
    for length in draw(st.lists(st.integers(1, 6), max_size=5)):
        phases.append(dict(begin=begin, end=begin + length - 1, by=by, weights=draw(WEIGHTS)))
        begin += length
    return [*phases, dict(begin=begin, by=by, weights=draw(WEIGHTS))], by


@settings(max_examples=150, deadline=None, derandomize=True)
@given(found=sound_phases(), per_epoch=st.integers(1, 9), epochs=st.integers(1, 30))
def test_every_iteration_has_one_phase_and_they_come_in_order(found, per_epoch, epochs):
    phases, by = found
    schedule = PhaseSchedule(phases)
    clocks = [Clock(iteration, per_epoch * epochs, per_epoch) for iteration in range(per_epoch * epochs)]
    indices = [schedule.index(clock) for clock in clocks]
    assert indices[0] == 0 and all(after - before in (0, 1) for before, after in pairwise(indices))
    for clock, index in zip(clocks, indices, strict=True):
        moment = clock.count(by) + 1
        assert [p['begin'] <= moment <= p.get('end', moment) for p in phases].index(True) == index
        assert schedule.at(clock).weights == phases[index]['weights']
    if by == 'epoch':  # and none switches inside an epoch
        assert all(len(set(indices[at : at + per_epoch])) == 1 for at in range(0, len(indices), per_epoch))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
ENTRIES = st.fixed_dictionaries(
    {}, optional=dict(name=ANYTHING, begin=ANYTHING, end=ANYTHING, by=ANYTHING | UNITS, weights=ANYTHING | WEIGHTS)
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(phases=ANYTHING | st.lists(ENTRIES | ANYTHING, max_size=3))
@example([dict(by=[1], weights=dict(task=1))])
@example([dict(weights=dict(task=10**400))])
def test_any_phases_are_a_schedule_or_an_input_error(phases):
    try:
        schedule = PhaseSchedule(phases)
    except InputError as error:
        assert str(error)
        return
    assert all(weight >= 0 for phase in schedule.phases for weight in phase.weights.values())
    assert schedule.at(Clock(0, 10, 5)) is schedule.phases[0]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    start=st.floats(1e-3, 1e3),
    end=st.floats(1e-3, 1e3),
    shape=st.sampled_from(['linear', 'cosine', 'constant']),
    by=UNITS,
    per_epoch=st.integers(1, 9),
    epochs=st.integers(1, 30),
)
def test_a_temperature_goes_from_start_towards_end_and_never_beyond(start, end, shape, by, per_epoch, epochs):
    schedule = TemperatureSchedule(start, end, shape, by)
    clocks = [Clock(iteration, per_epoch * epochs, per_epoch) for iteration in range(per_epoch * epochs + 1)]
    values = [schedule.at(clock) for clock in clocks]
    low, high = sorted((start, start if shape == 'constant' else end))
    assert values[0] == start and all(low * (1 - 1e-9) <= value <= high * (1 + 1e-9) for value in values)
    sign = 1 if end >= start else -1
    assert all(sign * (after - before) >= -1e-9 * high for before, after in pairwise(values))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(entries=st.dictionaries(st.sampled_from(['start', 'end', 'shape', 'by']), ANYTHING, max_size=4))
@example(dict(start=10**400))
@example(dict(shape=[1]))
def test_any_settings_are_a_temperature_or_an_input_error(entries):
    try:
        value = TemperatureSchedule(**entries).at(Clock(3, 10, 5))
    except InputError:
        return
    assert value > 0
