"""Comparisons of made-up records, with intervals worked out by hand."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.comparison import compare
from mapsage_mmseg.evaluation.comparison_text import markdown, notes, tables
from mapsage_mmseg.evaluation.estimate import estimate
from mapsage_mmseg.evaluation.sequential import repeated_confidence
from tests.records import CLASSES, record

T2 = 4.302652729911275  # Student's t, 0.975, 2 degrees of freedom: any table


def arm(comparison, experiment='improved_distill'):
    return next(arm for arm in comparison.arms if arm.experiment == experiment)


def three(experiment, mious, **changes):
    return [record(experiment, seed, miou, **changes) for seed, miou in enumerate(mious)]


def test_an_interval_by_hand():
    found = estimate([50.0, 52.0, 54.0])  # mean 52, s = 2
    half = T2 * 2 / math.sqrt(3)
    assert (found.n, found.mean) == (3, 52.0)
    assert (found.low, found.high) == (pytest.approx(52 - half), pytest.approx(52 + half))
    assert found.half == pytest.approx(4.968276)


def test_two_values_have_the_widest_interval():
    assert estimate([1.0, 2.0]).half == pytest.approx(12.7062047 * 0.5, rel=1e-6)  # t(0.975, 1) * s / sqrt(2)


def test_values_without_any_spread_clear_nothing():
    assert estimate([0.01, 0.01]).side() == 0
    assert estimate([0.01, 0.011, 0.01]).side() == 1
    assert estimate([60.31 - 60.01, 55.3 - 55.0]).side() == 0  # both 0.30, and not to the last bit


def test_a_last_validation_that_is_no_number_is_not_answered_by_an_earlier_one():
    run = record('improved_distill', 0, 52.0)
    run['epochs'][-1]['val']['task_loss'] = None
    assert arm(compare([run])).scores['task_loss'] is None


def test_one_value_has_no_interval_and_none_no_mean():
    found = estimate([3.0])
    assert (found.mean, found.low, found.high, found.half, found.side()) == (3.0, None, None, None, 0)
    assert estimate([]) is None


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6), st.floats(-50, 50))
def test_an_interval_holds_its_mean_and_moves_with_its_values(values, shift):
    found, moved = estimate(values), estimate([value + shift for value in values])
    assert found.low <= found.mean <= found.high
    assert moved.low == pytest.approx(found.low + shift, abs=1e-6)
    assert moved.half == pytest.approx(found.half, abs=1e-6)


def test_an_experiment_by_hand():
    found = arm(compare(three('improved_distill', [50, 52, 54])))
    assert found.seeds == [0, 1, 2]
    assert found.scores['mIoU'].half == pytest.approx(4.968276)
    assert found.scores['task_loss'].mean == pytest.approx(0.8)
    assert found.scores['total'].mean == pytest.approx(1.6)
    assert {name: iou.mean for name, iou in found.IoU.items()} == dict(building=52.0, land=62.0, road=72.0)
    assert (found.params_m, found.gflops, found.teacher_mIoU, found.teacher_gflops) == (3.7, 0.85, 60.0, 4.2)
    assert found.seconds_per_epoch == 11.5  # median of 11, 12, 11, 12, 11, 12
    assert (found.git_commits, found.devices, found.epochs) == (['0123456789ab'], ['cpu'], [2, 2, 2])


def test_a_record_without_flops_says_nothing_of_them():
    assert arm(compare([record(student=dict(params_m=3.7))])).gflops is None


def test_differences_are_paired_by_seed():
    # seeds differ by far more than experiments: only pairs show the gain
    control, mine = three('no_distill', [40, 50, 60]), three('improved_distill', [42.0, 52.1, 61.9])
    found = arm(compare([*control, *mine])).differences['mIoU']
    assert found.estimate.mean == pytest.approx(2.0)
    assert found.estimate.half == pytest.approx(T2 * 0.1 / math.sqrt(3))  # of 2, 2.1, 1.9
    assert (found.seeds, found.verdict) == ([0, 1, 2], 'better')


@pytest.mark.parametrize(
    ('mious', 'verdict'),
    [([52.0, 52.1, 51.9], 'better'), ([48.0, 48.1, 47.9], 'worse'), ([51.0, 52.0, 50.0], 'not shown')],
)
def test_a_verdict_needs_an_interval_that_clears_zero(mious, verdict):
    runs = [*three('no_distill', [50] * 3), *three('improved_distill', mious)]
    assert arm(compare(runs)).differences['mIoU'].verdict == verdict


def test_a_lower_task_loss_is_better():
    control = three('no_distill', [50] * 3, loss=0.9)
    mine = [record('improved_distill', seed, loss=loss) for seed, loss in enumerate((0.80, 0.81, 0.79))]
    found = arm(compare([*control, *mine])).differences['task_loss']
    assert found.estimate.mean == pytest.approx(-0.1)
    assert found.verdict == 'better'


def test_only_seeds_that_both_have_count():
    control = [record('no_distill', seed, 50.0) for seed in (0, 2, 7)]
    mine = [record('improved_distill', seed, miou) for seed, miou in ((2, 53.0), (3, 99.0), (7, 51.0))]
    found = arm(compare([*control, *mine]))
    assert found.differences['mIoU'].seeds == [2, 7]
    assert found.differences['mIoU'].estimate.mean == pytest.approx(2.0)
    assert found.IoU_differences['road'].estimate.mean == pytest.approx(2.0)
    assert found.scores['mIoU'].n == 3


def test_no_shared_seed_is_no_difference():
    found = arm(compare([record('no_distill', 1), record(seed=2)]))
    assert set(found.differences.values()) == {None}
    assert found.closed is None


def test_one_shared_seed_shows_nothing():
    found = arm(compare([record('no_distill', 1, 40.0), record(seed=1, miou=50.0)])).differences['mIoU']
    assert (found.estimate.mean, found.estimate.low, found.verdict) == (10.0, None, 'not shown')


def test_the_share_of_the_way_to_the_teacher_by_hand():
    runs = [*three('no_distill', [50, 52]), *three('improved_distill', [53, 54])]
    assert arm(compare(runs)).closed == pytest.approx((3 + 2) / (10 + 8))  # the teacher has 60
    weak = dict(mIoU=40.0, params_m=1.0)
    runs = [*three('no_distill', [50, 52]), *three('improved_distill', [53, 54], teacher=weak)]
    assert arm(compare(runs)).closed is None  # from a teacher below the control there is no way to go


def test_the_control_is_no_distill_or_what_is_asked_for():
    runs = [record(), record('no_distill'), record('baseline_distill')]
    assert compare(runs).control == 'no_distill'
    assert [arm.experiment for arm in compare(runs).arms] == ['no_distill', 'improved_distill', 'baseline_distill']
    asked = compare(runs, 'baseline_distill')
    assert asked.arms[0].experiment == asked.control == 'baseline_distill'
    assert set(asked.arms[0].differences.values()) == {None}
    assert compare([record()]).control is None
    with pytest.raises(InputError, match="'nothing' is not among the experiments: improved_distill"):
        compare(runs, 'nothing')


def test_each_is_compared_with_the_control_that_its_records_name():
    runs = [
        *three('no_distill', [50] * 3),
        *three('improved_distill', [51.0, 51.1, 50.9]),
        *({**run, 'control': 'best_control'} for run in three('best', [55.0, 55.1, 54.9])),
        *three('best_control', [53] * 3),
        {**record('other', miou=50.0), 'control': 'absent'},
    ]
    found = compare(runs)
    assert {each.experiment: each.control for each in found.arms} == {
        'no_distill': None,
        'improved_distill': 'no_distill',
        'best': 'best_control',
        'best_control': 'no_distill',
        'other': 'no_distill',
    }
    assert found.control == 'no_distill' and found.controls() == ['no_distill', 'best_control']
    assert arm(found, 'best').differences['mIoU'].estimate.mean == pytest.approx(2.0)
    assert arm(found, 'best').closed == pytest.approx(2 / 7)
    asked = compare(runs, 'no_distill')
    assert arm(asked, 'best').differences['mIoU'].estimate.mean == pytest.approx(5.0)
    alone = compare([run for run in runs if run['experiment'].startswith('best')])
    assert alone.control == 'best_control' and alone.arms[0].experiment == 'best_control'


@pytest.mark.parametrize(
    ('change', 'what'), [(dict(key='other'), 'other data'), (dict(classes=CLASSES[:2]), 'other classes')]
)
def test_runs_on_other_data_are_refused_by_name(change, what):
    other = record('no_distill', path='/experiments/no_distill_2/result.json')
    other['dataset'].update(change)
    with pytest.raises(InputError, match=rf'improved_distill \(seed 0\) and no_distill_2 do not compare.*{what}'):
        compare([record(), other])
    with pytest.raises(InputError, match='no run'):
        compare([])


def test_of_two_runs_of_a_seed_the_newest_counts_and_it_is_said():
    old, new = record(miou=1.0, path='/e/old/result.json'), record(miou=2.0, path='/e/new/result.json')
    found = compare([old, new])
    assert arm(found).scores['mIoU'].mean == 2.0
    assert found.notes == ['old is left out: new has its experiment and seed.']


def test_a_newer_run_that_is_unfinished_does_not_displace_a_finished_one():
    done, running = record(miou=1.0, path='/e/done/result.json'), record(path='/e/on/result.json', status='running')
    found = compare([done, running])
    assert arm(found).scores['mIoU'].mean == 1.0
    assert found.notes == ['on is left out: done has its experiment and seed.']


def test_an_unfinished_run_is_included_and_marked_and_shows_nothing():
    control = three('no_distill', [50] * 3)
    mine = three('improved_distill', [52.0, 52.1, 51.9])
    mine[1]['status'] = 'interrupted'
    found = compare([*control, *mine])
    assert arm(found).scores['mIoU'].n == 3
    assert arm(found).unfinished == ['improved_distill (seed 1): interrupted after epoch 2']
    assert arm(found).differences['mIoU'].verdict == 'not shown'
    assert 'improved_distill*' in tables(found)[0].rows[1]
    assert 'interrupted after epoch 2' in notes(found)[0]


def test_a_run_that_has_just_begun_has_no_scores():
    found = arm(compare([record(epochs=[], status='running')]))
    assert set(found.scores.values()) == set(found.IoU.values()) == {None}
    assert found.seconds_per_epoch is None


def test_unequal_runs_are_noted():
    short = record('no_distill')
    del short['epochs'][1]
    assert 'of different length, in epochs: improved_distill 2, no_distill 1' in compare([record(), short]).notes[0]
    mixed = [record(seed=0, key='a'), record(seed=1, key='b')]
    assert 'differ in more than the seed' in compare(mixed).notes[0]


def test_text_has_every_figure_and_survives_a_pipe_in_a_name():
    runs = [*three('no_distill', [50] * 3), *three('a|b', [52.0, 52.1, 51.9])]
    text = markdown(compare(runs), [])
    assert '| a\\|b | 0, 1, 2 | +2.00 (+1.75 to +2.25) better |' in text
    assert '52.00 ± 0.25' in text
    assert text.count('### ') == 4


def test_a_comparison_is_plain_json():
    runs = [record('no_distill'), record()]
    assert json.loads(json.dumps(compare(runs).as_dict()))['arms'][1]['differences']['mIoU']['verdict'] == 'not shown'


def began(start):
    return dict(params_m=3.7, start=start)


@pytest.mark.parametrize(
    ('mine', 'its', 'said'),
    [
        (['a', 'b'], ['a', 'b'], None),
        (
            ['a', 'x'],
            ['a', 'b'],
            'improved_distill and no_distill differ in more than distillation: other first weights.',
        ),
        (
            ['x', 'y'],
            ['a', 'b'],
            'improved_distill and no_distill differ in more than distillation: other first weights.',
        ),
        (['x', 'y'], [None, 'y'], None),  # a record of before says nothing of it
    ],
)
def test_pairs_that_began_apart_are_noted(mine, its, said):
    runs = [record('no_distill', seed, student=began(start)) for seed, start in enumerate(its)]
    runs += [record(seed=seed, student=began(start)) for seed, start in enumerate(mine)]
    notes = compare(runs).notes
    assert [note.split(', so')[0] for note in notes] == ([said] if said else [])


def test_repeated_looks_widen_the_intervals_of_differences_alone():
    """Of 2.0, 2.1, 1.9: s = 0.1, t(2) at 97.71 % for three to five looks; the means of the arms keep 95 %."""
    runs = [*three('no_distill', [50.0] * 3), *three('improved_distill', [52.0, 52.1, 51.9])]
    once, often = compare(runs), compare(runs, looks=(3, 5))
    assert arm(often, 'improved_distill').scores == arm(once, 'improved_distill').scores
    found = arm(often, 'improved_distill').differences['mIoU'].estimate
    assert found.half == pytest.approx(stdtrit(2, (1 + repeated_confidence(3, 5)) / 2) * 0.1 / 3**0.5)
    assert found.half > arm(once, 'improved_distill').differences['mIoU'].estimate.half
    assert '97.7%' in often.notes[-1] and not any('97.7%' in note for note in once.notes)
