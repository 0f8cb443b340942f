"""The answer: what the criterion and the comparison say together."""

import pytest

from mapsage_mmseg.evaluation.comparison import compare
from mapsage_mmseg.evaluation.transfer import ONE_SEED, answers
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


@pytest.mark.parametrize(
    ('miou', 'verdict', 'headline'), [(52.0, True, 'Yes, in one run'), (48.0, False, 'No, in one run')]
)
def test_from_one_seed_the_criterion_speaks_and_a_yes_says_what_it_is_worth(miou, verdict, headline):
    found = answer([record('no_distill', miou=50.0), record(miou=miou)])
    assert (found.verdict, found.headline) == (verdict, headline)
    assert ONE_SEED in found.reason


def test_without_a_control_of_its_seed_the_record_s_own_verdict_counts():
    told = dict(knowledge_transfer=dict(met=None, reason='nobody to compare with'))
    found = answer([record('no_distill', 1), record(seed=2, criteria=told)])
    assert (found.headline, found.reason) == ('Not shown', 'Nobody to compare with.')
    assert answer([record()]).headline == 'Not shown'


def test_an_unfinished_run_answers_nothing():
    runs = three([52.0, 52.1, 51.9])
    runs[-1]['status'] = 'running'
    assert answer(runs).verdict is None
    assert 'running after epoch 2' in answer(runs).reason


def test_a_control_that_was_trained_for_less_answers_nothing():
    short = record('no_distill', miou=30.0)
    short['epochs'].pop()
    found = answer([short, record(miou=52.0)])
    assert found.verdict is None and 'were not trained for as long' in found.reason


def test_who_had_no_teacher_is_not_asked():
    runs = [record('no_distill')]
    assert answers(compare(runs), runs) == []
