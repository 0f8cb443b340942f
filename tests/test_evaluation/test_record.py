"""The record: numbers worked out by hand, and a file that nobody meets half written."""

import json
import math

import pytest

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.record import new_record, open_record, read_record, summarise, write_record

STEPS = dict(loss=[1.5, 3.5], task=[1.0, 3.0], distill=[4.0, 8.0], grad_norm=[0.5, 1.5])
WEIGHTS = dict(task=0.5, distill=0.25, feature=0.0, attention=0.0)


def test_means_shares_and_stability_by_hand():
    entry = summarise(STEPS, WEIGHTS)
    assert entry['terms'] == dict(task=2.0, distill=6.0, feature=None, attention=None)
    assert entry['total'] == 2.5
    assert entry['shares']['task'] == pytest.approx(2 / 5)
    assert entry['shares']['distill'] == pytest.approx(3 / 5)
    assert entry['grad_norm'] == 1.0
    assert entry['stability'] == dict(
        nonfinite=0, skipped=0, max_over_median=pytest.approx(1.4), peak=3.5, grad_norm_max=1.5
    )


def test_effective_weights_make_the_shares_and_stand_beside_the_declared_ones():
    steps = {**STEPS, 'effective/task': [1.0, 0.5], 'effective/distill': [0.25, 0.3125]}
    entry = summarise(steps, WEIGHTS)
    assert entry['weights'] == WEIGHTS
    assert entry['effective'] == dict(task=0.75, distill=0.28125, feature=0.0, attention=0.0)
    # Step by step: (1 * 1 + 0.5 * 3) / 6 and (0.25 * 4 + 0.3125 * 8) / 6, of a total that is 2 and 4.
    assert entry['shares']['task'] == pytest.approx(2.5 / 6)
    assert entry['shares']['distill'] == pytest.approx(3.5 / 6)
    assert summarise(STEPS, WEIGHTS)['effective'] == WEIGHTS


def test_shares_sum_to_one_where_the_weights_change_within_an_entry_and_where_a_step_is_no_number():
    # task alone with weight 1, then both with 0.5 and 0.25
    steps = {**STEPS, 'distill': [8.0], 'weight/task': [1.0, 0.5], 'weight/distill': [0.25]}
    shares = summarise(steps, WEIGHTS)['shares']
    assert (shares['task'], shares['distill']) == (pytest.approx(2.5 / 4.5), pytest.approx(2.0 / 4.5))
    shares = summarise({**STEPS, 'distill': [4.0, math.nan]}, WEIGHTS)['shares']
    assert shares['task'] + shares['distill'] == pytest.approx(1.0)


def test_shares_and_spikes_leave_out_what_a_balance_adds_to_the_total():
    steps = dict(loss=[-2.0, 0.01, -1.0], weighted=[1.0, 2.0, 3.0], task=[1.0, 2.0, 3.0])
    entry = summarise({**steps, 'effective/task': [1.0, 1.0, 1.0]}, dict(task=1.0))
    assert entry['total'] == pytest.approx(-2.99 / 3)
    assert entry['shares']['task'] == 1.0
    assert entry['stability']['max_over_median'] == 1.5


def test_a_term_that_was_not_computed_is_null_and_never_zero():
    entry = summarise(dict(loss=[1.0], task=[1.0]), WEIGHTS)
    assert entry['terms']['distill'] is None
    assert entry['shares']['distill'] is None


def test_a_segmentor_of_mmsegs_own_has_its_total_for_a_task():
    assert summarise(dict(loss=[1.5]), dict(task=1.0))['terms']['task'] == 1.5


def test_a_step_without_a_label_says_nothing_of_the_task():
    entry = summarise(dict(loss=[2.0, 0.5, 4.0], task=[1.0, 0.0, 2.0], distill=[1.0, 0.5, 2.0]), WEIGHTS)
    assert entry['terms']['task'] == 1.5 and entry['terms']['distill'] == 3.5 / 3
    assert entry['shares']['task'] == pytest.approx(1.8 / (1.8 + 1.05))  # of what was trained on, all counts
    assert summarise(dict(loss=[0.5], task=[0.0]), WEIGHTS)['terms']['task'] == 0
    # Means of two processes: both had labels, one had, none, and both had but one had no number.
    steps = dict(loss=[1.0] * 4, task=[2.0, 0.5, 0.0, math.nan], labelled=[1.0, 0.5, 0.0, 1.0])
    assert summarise(steps, WEIGHTS)['terms']['task'] == 2.5 / 1.5


def test_a_level_of_the_users_own_stands_beside_the_four():
    entry = summarise(dict(loss=[2.0], task=[1.0], edges=[1.0]), dict(task=1.0, edges=1.0))
    assert entry['terms']['edges'] == 1.0
    assert entry['shares']['edges'] == 0.5


def test_non_finite_steps_are_counted_and_kept_out_of_the_means():
    entry = summarise(dict(loss=[1.0, math.nan, math.inf, 3.0], task=[1.0, math.nan, 1.0, 3.0]), dict(task=1.0))
    assert entry['stability']['nonfinite'] == 2
    assert entry['total'] == 2.0


def test_no_steps_at_all():
    entry = summarise({}, WEIGHTS)
    assert entry['total'] is None
    assert entry['stability'] == dict(nonfinite=0, skipped=0, max_over_median=None, peak=None, grad_norm_max=None)


def record(**changes):
    settings = dict(
        experiment='e',
        config='c.py',
        git_commit=None,
        seed=0,
        device='cpu',
        versions={},
        dataset='d',
        classes=list('abcdefg'),
        data_key='k',
        teacher=None,
        student_params_m=3.7,
    )
    return new_record(**{**settings, **changes})


def test_chance_is_the_logarithm_of_the_class_count():
    assert record()['dataset']['chance_loss'] == pytest.approx(1.9459101)


def test_the_keys_of_the_contract():
    assert set(record()) == {
        'schema',
        'experiment',
        'key',
        'control',
        'is_teacher',
        'config',
        'commands',
        'git_commit',
        'seed',
        'device',
        'processes',
        'images_per_step',
        'settings',
        'rolled_back',
        'versions',
        'dataset',
        'teacher',
        'student',
        'epochs',
        'findings',
        'criteria',
        'status',
    }


def test_what_was_written_is_read_and_nan_becomes_null(tmp_path):
    path = tmp_path / 'deep' / 'result.json'
    write_record(path, dict(a=[1.0, math.nan], b=dict(c=math.inf)))
    assert read_record(path) == dict(a=[1.0, None], b=dict(c=None))
    assert [item.name for item in path.parent.iterdir()] == ['result.json']


def test_a_write_that_fails_leaves_the_old_record(tmp_path):
    path = tmp_path / 'result.json'
    write_record(path, dict(a=1))
    with pytest.raises(TypeError):
        write_record(path, dict(a=object()))
    assert read_record(path) == dict(a=1)


@pytest.mark.parametrize('text', ['', '{"a":', '[1]', None])
def test_what_is_no_record_is_none(tmp_path, text):
    path = tmp_path / 'result.json'
    if text is not None:
        path.write_text(text)
    assert read_record(path) is None


def test_a_record_is_plain_json(tmp_path):
    write_record(tmp_path / 'r.json', record())
    assert json.loads((tmp_path / 'r.json').read_text())['status'] == 'running'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda record: record.update(experiment=['a']), r"experiment=\['a'\] where a name belongs"),
        (lambda record: record.update(teacher='x'), "teacher='x' where a dict or null belongs"),
        (lambda record: record['epochs'][1].update(total='high'), r"epochs\[1\]\.total='high' where a number belongs"),
        (lambda record: record['epochs'][0].update(weights=[1]), r'epochs\[0\]\.weights=\[1\] where a dict belongs'),
        (lambda record: record['epochs'][0]['val'].update(mIoU='50'), r"epochs\[0\]\.val\.mIoU='50' where a number"),
        (lambda record: record['epochs'][0]['val'].update(IoU=[1]), r'val\.IoU=\[1\] where a dict belongs'),
        (lambda record: record['epochs'][0]['val']['IoU'].update(road='x'), r"val\.IoU\.road='x' where a number"),
        (lambda record: record['epochs'][2].update(val='none'), r"epochs\[2\]\.val='none' where a dict belongs"),
    ],
)
def test_what_was_changed_by_hand_is_named(repository, tmp_path, change, message):
    record = json.loads((repository / 'docs/results/dubai/improved_distill_seed0/result.json').read_text())
    del record['sha256']
    path = tmp_path / 'result.json'
    path.write_text(json.dumps(record))
    assert open_record(path)['experiment'] == 'improved_distill'
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=message):
        open_record(path)
