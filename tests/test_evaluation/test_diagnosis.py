"""Findings over records that were made up by hand: each check fires on its fault, and on nothing else."""

import copy
import math

import pytest

from mapsage_mmseg.evaluation.diagnosis import CHECKS, FALLBACKS, diagnose

CHANCE = math.log(5)


def entry(epoch):
    """Epoch of a healthy run: five for the task, then levels; task loss 1.3 falling to 0.8."""
    on = epoch > 5
    progress = (epoch - 1) / 24
    scores = dict(task_loss=1.3 - 0.5 * progress, mIoU=30 + 20 * progress, teacher_agreement=60 + 20 * progress)
    return dict(
        epoch=epoch,
        weights=dict(task=0.6, distill=0.3, feature=0.1) if on else dict(task=1.0, distill=0.0, feature=0.0),
        terms=dict(
            task=1.2 - 0.5 * progress, distill=0.8 - 0.3 * progress if on else None, feature=0.5 if on else None
        ),
        shares=dict(task=0.65, distill=0.25, feature=0.1) if on else dict(task=1.0, distill=None, feature=None),
        total=1.0,
        gradients=dict(norm=dict(task=2.0, distill=0.5, feature=0.1), cosine=dict(distill=0.4), cosine_all=0.35)
        if on
        else None,
        val=dict(**scores, teacher_mIoU=60.0),
        stability=dict(nonfinite=0, max_over_median=2.0, grad_norm_max=8.0),
    )


@pytest.fixture
def healthy():
    epochs = [entry(epoch) for epoch in range(1, 26)]
    return dict(dataset=dict(chance_loss=CHANCE, classes=list('abcde')), epochs=epochs)


def checks(record):
    return [finding['check'] for finding in diagnose(record)]


def test_a_healthy_run_has_no_finding_in_any_epoch(healthy):
    for epoch in range(26):
        assert checks({**healthy, 'epochs': healthy['epochs'][:epoch]}) == []


def test_a_finding_says_situation_evidence_and_the_config_to_try(healthy):
    healthy['epochs'][-1]['stability']['nonfinite'] = 3
    (finding,) = diagnose(healthy)
    assert (finding['epoch'], finding['situation']) == (25, 'unstable')
    assert finding['evidence'] == '3 steps of epoch 25 with a non-finite loss or gradient'
    assert finding['suggestion'].endswith('next: configs/distill/fallbacks/unstable.py')


def test_every_fallback_that_is_suggested_exists(repository):
    assert {situation for situation, _, _ in CHECKS.values()} == set(FALLBACKS)
    assert all((repository / path).is_file() for path in FALLBACKS.values())


@pytest.mark.parametrize(
    ('key', 'bound', 'check'), [('max_over_median', 25.0, 'spike'), ('grad_norm_max', 1000.0, 'steep')]
)
def test_instability_starts_above_its_bound(healthy, key, bound, check):
    healthy['epochs'][-1]['stability'][key] = bound
    assert checks(healthy) == []
    healthy['epochs'][-1]['stability'][key] = bound * 1.01
    assert checks(healthy) == [check]


def test_chance_level_counts_from_the_end_of_the_task_phase(healthy):
    for item in healthy['epochs']:
        item['val']['task_loss'] = 0.99 * CHANCE
    assert checks({**healthy, 'epochs': healthy['epochs'][:4]}) == []
    at_five = diagnose({**healthy, 'epochs': healthy['epochs'][:5]})
    assert [finding['check'] for finding in at_five] == ['at_chance']
    assert at_five[0]['evidence'] == (
        'validation task loss 1.5933 in epoch 5: 99% of chance level, 1.6094 for 5 classes'
    )


def test_a_task_phase_of_two_epochs_is_judged_after_two(healthy):
    epochs = [entry(6) | dict(epoch=number) if number > 2 else entry(number) for number in (1, 2, 3)]
    for item in epochs:
        item['val']['task_loss'] = CHANCE
    record = {**healthy, 'epochs': epochs}
    assert checks(record) == ['at_chance']
    assert checks({**healthy, 'epochs': epochs[:2]}) == []  # nobody knows yet that it ends here


def test_worse_than_knowing_nothing_is_divergence_and_not_chance(healthy):
    healthy['epochs'][-1]['val']['task_loss'] = 2 * CHANCE
    assert checks(healthy) == ['diverged']


def test_a_flat_task_loss_is_a_stall_above_the_target_and_convergence_below_it(healthy):
    target = 1.5 * CHANCE / math.log(7)  # 1.2407
    for level, found in ((1.40, ['flat']), (target - 0.01, [])):
        for item in healthy['epochs']:
            item['val']['task_loss'] = level
        assert checks(healthy) == found


def test_five_epochs_that_gain_two_percent_are_not_flat(healthy):
    for item in healthy['epochs'][:20]:
        item['val']['task_loss'] = 1.45
    for item in healthy['epochs'][20:]:
        item['val']['task_loss'] = 1.45 * 0.98
    assert checks(healthy) == []


@pytest.mark.parametrize(
    ('shares', 'found'),
    [
        (dict(task=0.1, distill=0.81, feature=0.09), ['dominant']),
        (dict(task=0.2, distill=0.80, feature=0.0), []),
        (dict(task=0.96, distill=0.03, feature=0.01), ['task_alone']),
    ],
)
def test_shares_of_the_total(healthy, shares, found):
    healthy['epochs'][-1]['shares'] = shares
    assert checks(healthy) == found


def test_the_task_may_be_alone_in_its_own_phase_and_in_a_control(healthy):
    assert checks({**healthy, 'epochs': healthy['epochs'][:5]}) == []
    for item in healthy['epochs']:
        item.update(weights=dict(task=1.0), shares=dict(task=1.0), gradients=None)
        item['val'].update(teacher_mIoU=None, teacher_agreement=None)
    assert checks(healthy) == []


def test_a_dead_level_is_named_and_a_level_that_is_off_is_not(healthy):
    norms = healthy['epochs'][-1]['gradients']['norm']
    norms['feature'] = 0.0
    (finding,) = diagnose(healthy)
    assert finding['check'] == 'dead_level'
    assert finding['evidence'].startswith('feature: no gradient at the student in epoch 25')
    healthy['epochs'][-1]['weights']['feature'] = 0.0
    assert checks(healthy) == []


def test_a_teacher_that_is_no_better_counts_while_it_teaches(healthy):
    for item in healthy['epochs']:
        item['val']['teacher_mIoU'] = healthy['epochs'][6]['val']['mIoU'] - 1
    assert checks({**healthy, 'epochs': healthy['epochs'][:5]}) == []
    assert checks(healthy) == ['teacher_no_better']


def test_a_student_that_passes_a_teacher_it_was_behind_of_is_a_success(healthy):
    for item in healthy['epochs']:
        item['val']['teacher_mIoU'] = healthy['epochs'][15]['val']['mIoU'] - 0.1
    assert checks(healthy) == []


def test_small_terms_beside_a_teacher_that_is_matched_are_a_success(healthy):
    healthy['epochs'][-1]['shares'].update(task=0.97)
    assert checks(healthy) == ['task_alone']
    healthy['epochs'][-1]['val']['teacher_agreement'] = 99.0
    assert checks(healthy) == []


@pytest.mark.parametrize(('total', 'found'), [(0.01, []), (2.0, ['spike'])])
def test_many_times_a_small_median_is_no_spike(healthy, total, found):
    """One hard image late in a good run, against a step that costs more than knowing nothing."""
    healthy['epochs'][-1]['stability']['max_over_median'] = 40.0
    healthy['epochs'][-1]['total'] = total
    assert checks(healthy) == found


def test_gradients_in_conflict_count_over_five_epochs(healthy):
    for item in healthy['epochs'][-4:]:
        item['gradients']['cosine_all'] = -0.3
    assert checks(healthy) == ['conflict']  # mean of 0.35 and four times -0.3: -0.17
    healthy['epochs'][-1]['gradients']['cosine_all'] = 0.1
    assert checks(healthy) == []  # (0.35 - 0.9 + 0.1) / 5 = -0.09


def test_agreement_that_does_not_rise_is_no_transfer(healthy):
    for item in healthy['epochs'][5:]:
        item['val']['teacher_agreement'] = healthy['epochs'][4]['val']['teacher_agreement']
    assert checks({**healthy, 'epochs': healthy['epochs'][:10]}) == []
    assert checks(healthy) == ['no_transfer']


def test_nothing_measured_is_nothing_found(healthy):
    bare = copy.deepcopy(healthy)
    for item in bare['epochs']:
        item.update(gradients=None, val=None, shares=dict.fromkeys(item['shares']))
        item['stability'].update(max_over_median=None, grad_norm_max=None)
    assert checks(bare) == []


def test_every_check_is_in_the_documentation(repository):
    page = (repository / 'docs' / 'diagnosis.md').read_text()
    rows = {line.split('`')[1]: line.split('|')[2].strip() for line in page.splitlines() if line.startswith('| `')}
    assert rows == {check: situation.replace('_', ' ') for check, (situation, _, _) in CHECKS.items()}
