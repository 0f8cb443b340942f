"""Verdicts over records that were made up by hand."""

import copy
import math

import pytest

from mapsage_mmseg.evaluation.criteria import judge
from mapsage_mmseg.evaluation.milestones import milestones
from mapsage_mmseg.evaluation.verdict_text import verdict_lines

TASK = dict(task=1.0, distill=0.0)
BOTH = dict(task=0.6, distill=0.3)


def entry(epoch, *, task=1.0, total=1.0, distill=None, miou=50.0, agreement=80.0, weights=None, share=0.3, **stability):
    return dict(
        epoch=epoch,
        weights=weights or (TASK if epoch <= 5 else BOTH),
        terms=dict(task=task, distill=distill),
        shares=dict(task=0.7, distill=share if distill is not None else None),
        total=total,
        val=dict(task_loss=task, mIoU=miou, teacher_agreement=agreement),
        stability={**dict(nonfinite=0, max_over_median=1.5, grad_norm_max=4.0), **stability},
    )


def record(*entries, classes=7, experiment='improved_distill'):
    return dict(experiment=experiment, dataset=dict(chance_loss=math.log(classes)), student={}, epochs=list(entries))


@pytest.fixture
def good():
    """25 epochs: task loss 1.9 to 1.0, agreement 60 to 85, mIoU 30 to 54."""
    entries = []
    for epoch in range(1, 26):
        progress = (epoch - 1) / 24
        entries.append(
            entry(
                epoch,
                task=1.9 - 0.9 * progress,
                total=2.0 - progress,
                distill=None if epoch <= 5 else 1.0 - 0.5 * progress,
                miou=30 + 24 * progress,
                agreement=60 + 25 * progress,
            )
        )
    return record(*entries)


def test_a_good_run_meets_everything(good):
    verdict = judge(good, baseline=record(entry(25, task=1.9)), control=record(entry(25, miou=51.0)))
    met = {name: item['met'] for name, item in verdict.items()}
    assert met == {**dict.fromkeys(verdict, True), 'knowledge_transfer': None}  # which one seed does not show
    assert verdict['task_loss_improvement']['value'] == pytest.approx(0.9 / 1.9)
    assert verdict['knowledge_transfer']['value'] == pytest.approx(3.0)
    assert [stone['met'] for stone in milestones(good)] == [False, True, True, True]  # 1.75 in epoch 5


def test_without_a_control_transfer_is_not_shown_and_never_yes(good):
    verdict = judge(good)['knowledge_transfer']
    assert verdict['met'] is None
    assert verdict['reason'].endswith('not shown without a finished run of its control, no_distill')
    named = judge({**good, 'control': 'best_control'})['knowledge_transfer']
    assert named['reason'].endswith(' control, best_control')


def test_one_student_below_its_control_is_no_loss_yet(good):
    verdict = judge(good, control=record(entry(25, miou=55.0, weights=TASK)))['knowledge_transfer']
    assert (verdict['met'], verdict['value']) == (None, pytest.approx(-1.0))
    assert verdict['reason'].endswith('not shown: one seed does not tell a difference from chance, 3 may')


def test_a_control_that_began_from_other_weights_is_called_so(good):
    mine, same, other = (dict(params_m=3.7, start=start) for start in ('a', 'a', 'b'))
    control = record(entry(25, miou=51.0, weights=TASK))
    verdicts = [
        judge({**good, 'student': mine}, control={**control, 'student': its})['knowledge_transfer']
        for its in (same, other)
    ]
    assert [verdict['met'] for verdict in verdicts] == [None, None]
    assert verdicts[1]['reason'].endswith('of the control, which is none: other first weights')


def test_agreement_that_does_not_rise_is_no_transfer_whatever_the_control(good):
    for item in good['epochs'][5:]:
        item['val']['teacher_agreement'] = 50.0
    assert judge(good, control=record(entry(25, miou=0.0)))['knowledge_transfer']['met'] is False


def test_what_comes_behind_distillation_is_not_before_it():
    phases = ((60.0, BOTH), (80.0, BOTH), (79.0, TASK))
    entries = [entry(i + 1, agreement=value, weights=weights) for i, (value, weights) in enumerate(phases)]
    verdict = judge(record(*entries), control=record(entry(3, miou=49.0)))['knowledge_transfer']
    assert verdict['value'] > 0 and '60.0 % in epoch 1, 79.0 % at the end' in verdict['reason']


def test_one_validation_shows_no_rise():
    verdict = judge(record(entry(1, agreement=80.0, weights=BOTH)), control=record(entry(1, miou=49.0)))
    assert verdict['knowledge_transfer']['met'] is None
    late = [entry(1, agreement=None, weights=BOTH), entry(2, agreement=80.0, weights=BOTH)]
    assert judge(record(*late), control=record(entry(2, miou=49.0)))['knowledge_transfer']['met'] is None


@pytest.mark.parametrize('lost', [None, math.nan])
def test_a_run_that_ends_in_no_number_meets_nothing_by_its_earlier_epochs(good, lost):
    good['epochs'][-1].update(total=lost, val=dict(task_loss=lost, mIoU=20.0, teacher_agreement=80.0))
    verdict = judge(good)
    for name in ('total_loss', 'task_loss_final', 'task_loss_improvement'):
        assert (verdict[name]['met'], verdict[name]['value']) == (False, None)
    assert 'nan' not in ' '.join(item['reason'] for item in verdict.values())


def test_chance_level_may_be_unknown_and_a_loss_may_begin_at_zero():
    unknown = record(entry(1, task=0.0), entry(2, task=1.0))
    unknown['dataset']['chance_loss'] = None
    verdict = judge(unknown)
    assert verdict['task_loss_final']['met'] is True and verdict['task_loss_improvement']['met'] is False


def test_the_target_scales_with_the_number_of_classes():
    five = record(entry(1), entry(2, task=1.3), classes=5)
    verdict = judge(five)['task_loss_final']
    assert verdict['target'] == pytest.approx(1.5 * math.log(5) / math.log(7))
    assert verdict['met'] is False  # 1.3 > 1.2406
    assert '81% of chance level' in verdict['reason']


def test_an_improvement_of_exactly_a_fifth_is_not_more_than_a_fifth():
    assert judge(record(entry(1, task=2.0), entry(2, task=1.6)))['task_loss_improvement']['met'] is False
    assert judge(record(entry(1, task=2.0), entry(2, task=1.59)))['task_loss_improvement']['met'] is True


def test_a_baseline_that_did_as_well_spoils_the_improvement(good):
    verdict = judge(good, baseline=record(entry(25, task=1.1), experiment='baseline_distill'))
    assert verdict['task_loss_improvement']['met'] is False
    assert 'below the 1.1000 of baseline_distill' in verdict['task_loss_improvement']['reason']


@pytest.mark.parametrize(
    ('fault', 'reason'),
    [
        (dict(skipped=40), '40 steps skipped for a non-finite gradient'),
        (dict(nonfinite=2), '2 steps with a non-finite loss'),
        (dict(max_over_median=25.5), 'a step of epoch 3 at 25.5 times the median'),
        (dict(grad_norm_max=4000.0), 'a gradient norm of 4000 in epoch 3'),
    ],
)
def test_instability_is_named_with_its_epoch(good, fault, reason):
    good['epochs'][2]['stability'].update(fault)
    verdict = judge(good)['training_stability']
    assert verdict['met'] is False
    assert reason in verdict['reason']


def test_a_distillation_loss_that_rises(good):
    good['epochs'][-1]['terms']['distill'] = 2.0
    assert judge(good)['distill_loss_falls']['met'] is False


def test_the_earlier_experiment_misses_the_total():
    verdict = judge(record(entry(20, total=53.1705)))['total_loss']
    assert (verdict['met'], verdict['target']) == (False, 40.0)
    assert 'do not compare' in verdict['reason']


def test_an_empty_record_shows_nothing():
    empty = record()
    assert {item['met'] for item in judge(empty).values()} == {None}
    assert {stone['met'] for stone in milestones(empty)} == {None}


def test_no_verdict_changes_the_record(good):
    before = copy.deepcopy(good)
    judge(good, baseline=good, control=good)
    milestones(good)
    assert good == before


def test_a_term_above_four_fifths_unbalances_epoch_15(good):
    good['epochs'][14]['shares']['distill'] = 0.81
    assert milestones(good)[2] == dict(epoch=15, what='terms balanced', value=0.81, target=0.8, met=False)


def test_the_total_is_compared_under_the_same_weights_only(good):
    good['epochs'][4]['total'] = 0.1  # the last epoch of the task phase
    assert milestones(good)[1]['met'] is True


def test_a_verdict_as_text(good):
    lines = verdict_lines(judge(good), milestones(good))
    assert len(lines) == 6 + 4
    assert lines[1].split()[:2] == ['task_loss_final', 'met']
    assert 'not shown' in lines[5]
    assert lines[6].split()[:4] == ['epoch', '5:', 'task', 'loss']
