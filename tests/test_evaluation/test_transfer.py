"""The answer: what the criterion and the comparison say together."""

import pytest

from mapsage_mmseg.evaluation.comparison import compare
from mapsage_mmseg.evaluation.transfer import answers
from tests.records import record


def answer(runs):
    found = answers(compare(runs), runs)
    assert len(found) == 1
    return found[0]


def three(mious, agreement=(60.0, 80.0), control=50.0):
    runs = [record('no_distill', seed, control) for seed in range(3)]
    return [*runs, *(record('improved_distill', seed, miou, agreement=agreement) for seed, miou in enumerate(mious))]


@pytest.mark.parametrize(
    ('mious', 'agreement', 'verdict', 'headline'),
    [
        ([52.0, 52.1, 51.9], (60.0, 80.0), True, 'Yes'),
        ([48.0, 48.1, 47.9], (60.0, 80.0), False, 'No'),
        ([51.0, 53.0, 49.5], (60.0, 80.0), None, 'Not shown'),
        ([49.0, 48.0, 45.0], (60.0, 80.0), None, 'Not shown'),  # below every time, by as little as chance does
        ([52.0, 52.1, 51.9], (80.0, 60.0), False, 'No'),  # better, and not by the teacher's doing
    ],
)
def test_over_seeds_the_interval_and_agreement_decide(mious, agreement, verdict, headline):
    found = answer(three(mious, agreement))
    assert (found.verdict, found.headline) == (verdict, headline)
    assert 'Over 3 seeds mIoU' in found.reason


def test_agreement_that_rose_in_some_runs_only_shows_nothing():
    runs = three([52.0, 52.1, 51.9])
    runs[-1]['epochs'][-1]['val']['teacher_agreement'] = 10.0
    assert answer(runs).verdict is None


def test_agreement_that_is_not_known_of_every_run_is_neither_yes_nor_no():
    runs = three([52.0, 52.1, 51.9])
    for run in runs[-2:]:
        for entry in run['epochs']:
            entry['val']['teacher_agreement'] = None
    assert answer(runs).verdict is None
    for entry in runs[3]['epochs']:
        entry['val']['teacher_agreement'] = None
    assert answer(runs).verdict is None


def test_a_run_whose_seed_the_control_lacks_takes_nothing_away():
    runs = three([52.0, 52.1, 51.9])
    assert answer([*runs, record('improved_distill', 3, 52.0, agreement=(60.0, 80.0))]).verdict is True
    for entry in runs[3]['epochs']:  # nor does it stand in for one of a pair
        entry['val']['teacher_agreement'] = None
    assert answer([*runs, record('improved_distill', 3, 52.0, agreement=(60.0, 80.0))]).verdict is None


def test_the_reason_has_the_figures():
    reason = answer(three([52.0, 52.1, 51.9])).reason
    assert 'mIoU +2.00 against no_distill (95 % interval +1.75 to +2.25)' in reason
    assert '20 % of the distance to the teacher was closed' in reason  # 2 of 10
    assert 'agreement with the teacher 60.0 % before distillation, 80.0 % at the end' in reason


@pytest.mark.parametrize('miou', [52.0, 48.0])
def test_one_seed_shows_nothing_either_way(miou):
    found = answer([record('no_distill', miou=50.0), record(miou=miou)])
    assert (found.verdict, found.headline) == (None, 'Not shown')
    assert f'mIoU {miou:.2f} against 50.00 of the control; not shown: one seed' in found.reason


def test_two_seeds_show_nothing_either():
    """Two seeds at -0.13 and -0.00 gave an interval below zero."""
    runs = [record('no_distill', seed, 50.0) for seed in range(2)]
    found = answer([*runs, record(seed=0, miou=49.87), record(seed=1, miou=49.86)])
    assert (found.verdict, found.headline) == (None, 'Not shown')
    assert 'Over 2 seeds mIoU −0.14 against no_distill; 3 at least' in found.reason


@pytest.mark.parametrize(('matters', 'headline'), [(0.3, 'No difference that matters'), (0.1, 'Yes')])
def test_a_difference_that_nobody_would_act_on(matters, headline):
    runs = three([50.2, 50.21, 50.19])
    (found,) = answers(compare(runs, matters=matters), runs)
    assert found.headline == headline


def test_a_student_that_passed_its_teacher_is_said_to():
    assert 'passed its teacher in 3 of 3 runs' in answer(three([62.0, 62.1, 61.9])).reason


def changed(**changes):
    """Three pairs, of which the controls differ."""
    runs = three([52.0, 52.1, 51.9])
    for run in runs[:3]:
        for key, value in changes.items():
            if key in ('lr', 'iter'):
                for entry in run['epochs']:
                    entry[key] = value * entry['epoch']
            elif key == 'params_m':
                run['student'][key] = value
            else:
                run[key] = value
    for run in runs[3:]:
        run['images_per_step'] = 4
        run['settings'] = dict(
            optim_wrapper=dict(optimizer=dict(lr=1e-4)), pipeline=[dict(type='RandomFlip', prob=0.5)]
        )
        for entry in run['epochs']:
            entry['lr'] = 1e-4 * entry['epoch']
    return answer(runs)


SAME = dict(optim_wrapper=dict(optimizer=dict(lr=1e-4)), pipeline=[dict(type='RandomFlip', prob=0.5)])


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        (dict(lr=2e-5), 'learning rates 0.0001 and 2e-05 in epoch 1'),
        (dict(params_m=25.0), 'students of 3.7 M and 25 M parameters'),
        (dict(images_per_step=16), '4 and 16 images a step'),
        (dict(iter=1), '20 and 2 iterations'),
        (dict(settings=dict(SAME, pipeline=[dict(type='RandomFlip', prob=0.9)])), 'pipeline.0.prob=0.5 and 0.9'),
        (dict(settings=dict(SAME, optim_wrapper=dict(optimizer=dict(lr=3e-4)))), 'optim_wrapper.optimizer.lr=0.0001'),
    ],
)
def test_a_control_that_differs_in_more_than_distillation_answers_nothing(changes, said):
    found = changed(**changes)
    assert (found.verdict, found.headline) == (None, 'Not shown')
    assert 'o_distill is no control of improved_distill' in found.reason and said in found.reason


def test_a_control_that_distils_is_none():
    runs = [record('other', seed, 50.0) for seed in range(3)] + [record('improved_distill', s, 55.0) for s in range(3)]
    found = {answer.experiment: answer for answer in answers(compare(runs, control='other'), runs)}
    assert found['improved_distill'].headline == 'Not shown'
    assert 'the control distils, too' in found['improved_distill'].reason


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('key', 'abc', 'other settings among themselves'),
        ('teacher', dict(mIoU=60.0, sha256='cd'), 'different teachers'),
    ],
)
def test_runs_that_are_not_alike_among_themselves_answer_nothing(key, value, said):
    runs = three([52.0, 52.1, 51.9])
    for run in runs[3:]:
        run['key'] = 'same'
    runs[4][key] = value
    assert answer(runs).verdict is None and said in answer(runs).reason


def test_a_control_without_its_last_validation_has_no_score():
    runs = three([52.0, 52.1, 51.9])
    for run in runs[:3]:
        run['epochs'][-1]['val'] = None
    assert answer(runs).headline == 'Not shown'


def test_an_agreement_that_is_lost_at_the_end_is_not_the_one_before():
    runs = three([52.0, 52.1, 51.9])
    for run in runs[3:]:
        run['epochs'][-1]['val']['teacher_agreement'] = float('nan')
    assert answer(runs).verdict is None


def test_the_same_settings_in_another_place_are_no_difference():
    assert changed(images_per_step=4, settings=SAME, lr=1e-4).verdict is True


def test_an_unfinished_run_answers_nothing():
    runs = three([52.0, 52.1, 51.9])
    runs[-1]['status'] = 'running'
    assert answer(runs).verdict is None
    assert 'running after epoch 2' in answer(runs).reason


def test_a_control_that_was_trained_for_less_answers_nothing():
    short = record('no_distill', miou=30.0)
    short['epochs'].pop()
    found = answer([short, record(miou=52.0)])
    assert found.verdict is None and '20 and 10 iterations' in found.reason


def test_who_had_no_teacher_is_not_asked():
    runs = [record('no_distill')]
    assert answers(compare(runs), runs) == []


@pytest.mark.parametrize(('training', 'said'), [(0.231, True), (0.4, False), (None, False)])
def test_where_nothing_was_shown_a_teacher_that_repeats_the_labels_is_named(training, said):
    runs = three([50.5, 52.0, 48.5])
    for run in runs[3:]:
        run['teacher']['knowledge'] = training and dict(training=training, validation=0.566, images=16)
    reason = answer(runs).reason
    assert ('cross-entropy is 0.2310 on training images and 0.5660 on validation images' in reason) is said
    good = three([52.0, 52.1, 51.9])
    good[3]['teacher']['knowledge'] = dict(training=0.1, validation=0.5, images=16)
    assert answer(good).verdict is True and 'cross-entropy' not in answer(good).reason
