"""Adaptive weights: each method's values by hand, and what must not change them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.balance import GradNormBalance, SharesBalance, UncertaintyBalance, build_balance

NAMES = ('task', 'distill', 'feature')
DECLARED = dict(task=0.6, distill=0.3, feature=0.1)
METHODS = ('shares', 'uncertainty', 'gradnorm')


def tensors(**values):
    return {name: torch.tensor(float(value)) for name, value in values.items()}


def floats(weights):
    return {name: weight.item() for name, weight in weights.items()}


def norms(*values):
    """A Gram matrix of gradients that are at right angles."""
    return torch.diag(torch.tensor(values).square())


# Shares


def test_shares_of_two_steps_by_hand():
    balance = SharesBalance(('task', 'distill'), momentum=0.5)
    declared = dict(task=0.6, distill=0.3)
    first, penalty = balance(tensors(task=2, distill=8), declared)
    assert penalty is None
    assert floats(first) == pytest.approx(dict(task=0.6, distill=0.3 * 2 / 8))
    second, _ = balance(tensors(task=4, distill=2), declared)
    # Means (0.25 * 2 + 0.5 * 4) / 0.75 = 10/3 and (0.25 * 8 + 0.5 * 2) / 0.75 = 4.
    assert floats(second) == pytest.approx(dict(task=0.6, distill=0.3 * (10 / 3) / 4))


def test_declared_weights_are_the_shares_of_a_run_of_steps():
    generator = torch.Generator().manual_seed(0)
    balance, sums = SharesBalance(NAMES), dict.fromkeys(NAMES, 0.0)
    for _ in range(300):
        noise = 1 + 0.2 * torch.rand(3, generator=generator)
        terms = dict(zip(NAMES, torch.tensor([1.5, 75.0, 0.004]) * noise, strict=True))
        for name, weight in balance(terms, DECLARED)[0].items():
            sums[name] += (weight * terms[name]).item()
    total = sum(sums.values())
    assert {name: value / total for name, value in sums.items()} == pytest.approx(DECLARED, rel=0.02)


@given(
    scale=st.sampled_from([1e-3, 1e3]),
    values=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    later=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
)
def test_the_scale_of_a_term_changes_no_share_and_no_total(scale, values, later):
    def contributions(factor):
        balance = SharesBalance(NAMES)
        for step in (values, later):
            terms = tensors(**dict(zip(NAMES, step, strict=True)))
            terms['distill'] = terms['distill'] * factor
            weights, _ = balance(terms, DECLARED)
        return [(weights[name] * terms[name]).item() for name in NAMES]

    assert contributions(scale) == pytest.approx(contributions(1.0), rel=1e-4)


def test_a_mean_begins_when_its_term_appears_and_outlasts_a_phase_without_it():
    balance = SharesBalance(NAMES, momentum=0.5)
    assert floats(balance(tensors(task=2), dict(task=1.0))[0]) == dict(task=1.0)
    weights, _ = balance(tensors(task=2, distill=8), dict(task=1.0, distill=1.0))
    assert weights['distill'].item() == pytest.approx(2 / 8)
    balance(tensors(task=2), dict(task=1.0))
    assert balance.counts.tolist() == pytest.approx([0.875, 0.5, 0.0])


@pytest.mark.parametrize('value', [0.0, -1.0, math.nan, math.inf])
def test_a_step_that_says_nothing_enters_no_mean(value):
    balance = SharesBalance(NAMES)
    before, _ = balance(tensors(task=value, distill=value, feature=value), DECLARED)
    assert floats(before) == pytest.approx(DECLARED)  # the declared weights, while there is no mean
    balance(tensors(task=2, distill=8, feature=1), DECLARED)
    state = {key: tensor.clone() for key, tensor in balance.state_dict().items()}
    weights, _ = balance(tensors(task=value, distill=value, feature=value), DECLARED)
    assert floats(weights) == pytest.approx(dict(task=0.6, distill=0.3 * 2 / 8, feature=0.1 * 2))
    assert all(torch.equal(state[key], tensor) for key, tensor in balance.state_dict().items())


@pytest.mark.parametrize('method', METHODS)
def test_a_term_that_weighs_nothing_stays_off(method):
    balance = build_balance(method, NAMES)
    for _ in range(3):
        gram = norms(1.0, 2.0) if method == 'gradnorm' else None
        weights, _ = balance(tensors(task=2, distill=8), dict(task=0.0, distill=0.5), gram)
    assert weights['task'].item() == 0.0
    assert weights['distill'].item() > 0
    assert 'feature' not in weights


# Uncertainty


def test_uncertainty_begins_at_the_declared_weights_and_adds_up_as_written():
    balance = UncertaintyBalance(('task', 'distill'))
    weights, penalty = balance(tensors(task=2, distill=8), dict(task=0.6, distill=0.3))
    assert floats(weights) == pytest.approx(dict(task=0.6, distill=0.3))
    assert penalty.item() == 0.0
    balance.log_variances.data.copy_(torch.tensor([math.log(2), math.log(8)]))
    weights, penalty = balance(tensors(task=2, distill=8), dict(task=0.6, distill=0.3))
    assert floats(weights) == pytest.approx(dict(task=0.6 / 2, distill=0.3 / 8))
    assert penalty.item() == pytest.approx(0.6 * math.log(2) + 0.3 * math.log(8))


def test_at_fixed_losses_the_log_variances_converge_to_their_logarithms():
    balance, terms = UncertaintyBalance(NAMES), tensors(task=1.5, distill=7.5, feature=0.02)
    optimizer = torch.optim.AdamW(balance.parameters(), lr=0.02, weight_decay=0.0)
    for _ in range(600):
        optimizer.zero_grad()
        weights, penalty = balance(terms, DECLARED)
        (sum(weights[name] * terms[name] for name in NAMES) + penalty).backward()
        optimizer.step()
    expected = [math.log(terms[name].item()) for name in NAMES]
    assert balance.log_variances.tolist() == pytest.approx(expected, abs=0.01)
    contributions = {name: weights[name].item() * terms[name].item() for name in NAMES}
    assert contributions == pytest.approx(DECLARED, rel=0.01)


@pytest.mark.parametrize('value', [0.0, -1.0, math.nan, math.inf])
def test_only_terms_that_are_on_and_say_something_move_their_log_variance(value):
    balance, terms = UncertaintyBalance(NAMES), tensors(task=2, distill=value)
    weights, penalty = balance(terms, DECLARED)
    (sum(weights[name] * terms[name] for name in terms) + penalty).backward()
    assert balance.log_variances.grad.tolist() == pytest.approx([0.6 * (1 - 2), 0.0, 0.0])


def test_log_variances_do_not_decay_and_have_their_own_rate(repository):
    schedule = Config.fromfile(str(repository / 'configs/_base_/schedules/25e_adamw.py'))
    model = torch.nn.Module()
    model.balance = UncertaintyBalance(NAMES)
    (group,) = build_optim_wrapper(model, schedule.optim_wrapper).param_groups
    assert (group['lr'], group['weight_decay']) == (pytest.approx(1e-2), 0.0)


# GradNorm


def test_two_updates_of_gradnorm_by_hand():
    balance = GradNormBalance(('task', 'distill'), alpha=1.0, rate=1.0, interval=1)
    declared = dict(task=0.6, distill=0.4)
    # Targets are 0.6 : 0.4 and norms 3 : 1, so the weights are 0.6/3 : 0.4/1, and their sum stays 1.
    first, penalty = balance(tensors(task=2, distill=1), declared, norms(3.0, 1.0))
    assert penalty is None
    assert floats(first) == pytest.approx(dict(task=1 / 3, distill=2 / 3))
    # The task has halved, distill has not moved: r = 2/3 and 4/3, weights 0.6 * (2/3) / 3 : 0.4 * (4/3).
    second, _ = balance(tensors(task=1, distill=1), declared, norms(3.0, 1.0))
    assert floats(second) == pytest.approx(dict(task=0.2, distill=0.8))


def test_gradnorm_goes_its_rate_of_the_way_in_logarithms():
    balance = GradNormBalance(('task', 'distill'), alpha=0.0, rate=0.25, interval=1)
    weights, _ = balance(tensors(task=1, distill=1), dict(task=0.5, distill=0.5), norms(16.0, 1.0))
    assert (weights['distill'] / weights['task']).item() == pytest.approx(16**0.25)


@pytest.mark.parametrize('scale', [1e-3, 1e3])
def test_the_scale_of_a_term_changes_no_proportion_of_gradients(scale):
    def gradients(factor):
        balance = GradNormBalance(NAMES, rate=1.0, interval=1)
        for task, distill, feature in ((2.0, 1.0, 3.0), (1.0, 0.5, 2.5)):
            norm = torch.tensor([0.5, 2.0 * factor, 1.0])
            weights, _ = balance(
                tensors(task=task, distill=distill * factor, feature=feature), DECLARED, torch.diag(norm.square())
            )
        parts = torch.stack([weights[name] for name in NAMES]) * norm
        assert sum(floats(weights).values()) == pytest.approx(1.0)
        return (parts / parts.sum()).tolist()

    assert gradients(scale) == pytest.approx(gradients(1.0), rel=1e-4)


def test_weighted_gradients_come_to_the_declared_proportion():
    torch.manual_seed(0)
    weight, x = torch.nn.Parameter(torch.randn(4)), torch.randn(8, 4)
    balance = GradNormBalance(('task', 'distill'), alpha=0.0, interval=1)
    for _ in range(60):
        terms = dict(task=(x @ weight).square().mean(), distill=100 * (weight - 1).square().mean())
        rows = torch.stack([torch.autograd.grad(term, weight, retain_graph=True)[0] for term in terms.values()])
        weights, _ = balance(terms, dict(task=0.8, distill=0.2), rows @ rows.T)
    found = [weights[name].item() * row.norm().item() for name, row in zip(terms, rows, strict=True)]
    assert found[0] / found[1] == pytest.approx(0.8 / 0.2, rel=1e-3)


@pytest.mark.parametrize(('value', 'norm'), [(0.0, 0.0), (1.0, 0.0), (math.nan, math.nan), (1.0, math.inf)])
def test_a_term_without_a_gradient_keeps_its_weight_and_the_others_their_sum(value, norm):
    balance = GradNormBalance(NAMES, alpha=0.0, rate=1.0, interval=1)
    weights, _ = balance(tensors(task=1, distill=value, feature=1), DECLARED, norms(2.0, norm, 1.0))
    # task and feature share their 0.7 as 0.6/2 : 0.1/1.
    assert floats(weights) == pytest.approx(dict(task=0.7 * 0.75, distill=0.3, feature=0.7 * 0.25))


def test_rates_are_compared_from_when_the_set_of_terms_changed():
    balance = GradNormBalance(('task', 'distill', 'feature'), alpha=1.0, rate=1.0, interval=1)
    two = dict(task=0.5, distill=0.5)
    balance(tensors(task=4, distill=4), two, norms(1.0, 1.0))
    balance(tensors(task=1, distill=4), two, norms(1.0, 1.0))
    assert balance.initial.tolist() == [4, 4, 0]
    weights, _ = balance(tensors(task=1, distill=4, feature=9), DECLARED, norms(1.0, 1.0, 1.0))
    assert balance.initial.tolist() == [1, 4, 9]
    assert floats(weights) == pytest.approx(DECLARED)


def test_gradnorm_is_due_once_an_interval_also_after_loading():
    def ask(balance, steps):
        due = []
        for _ in range(steps):
            due.append(balance.due)
            balance(tensors(task=1), dict(task=1.0))
        return due

    balance, other = (GradNormBalance(NAMES, interval=3) for _ in range(2))
    assert ask(balance, 5) == [True, False, False, True, False]
    other.load_state_dict(balance.state_dict())
    assert ask(other, 3) == [False, True, False]


# All of them, and in a config


@pytest.mark.parametrize('method', METHODS)
def test_nothing_is_read_back_from_the_device(method):
    """Meta tensors have no values: whoever asks for one fails."""
    balance = build_balance(method, NAMES).to('meta')
    terms = {name: torch.empty((), device='meta') for name in NAMES}
    weights, _ = balance(terms, DECLARED, torch.empty((3, 3), device='meta'))
    assert {weight.device.type for weight in weights.values()} == {'meta'}


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('share', r"model\.balance='share' is unknown; did you mean 'shares'\? valid: None, 'shares', 'uncertainty'"),
        (dict(type='Nothing'), r"model\.balance='Nothing' is unknown; valid: None, 'shares'"),
        (dict(momentum=0.9), r'model\.balance=None is unknown'),
        (3, r'model\.balance=3 is unknown'),
        (dict(type='shares', momentun=0.9), r"model\.balance=.*'momentun'"),
        (dict(type='shares', momentum=1.0), r'model\.balance\.momentum=1\.0'),
        (dict(type='gradnorm', alpha=-1), r'model\.balance\.alpha=-1'),
        (dict(type='gradnorm', rate=0), r'model\.balance\.rate=0'),
        (dict(type='gradnorm', interval=0), r'model\.balance\.interval=0'),
    ],
)
def test_what_is_no_balance_is_refused(config, message):
    with pytest.raises(InputError, match=message):
        build_balance(config, NAMES)


def test_a_balance_is_named_or_spelled_out():
    assert build_balance(None, NAMES) is None
    kinds = dict(shares=SharesBalance, uncertainty=UncertaintyBalance, gradnorm=GradNormBalance)
    assert all(type(build_balance(name, NAMES)) is kind for name, kind in kinds.items())
    assert build_balance(dict(type='SharesBalance', momentum=0.5), NAMES).momentum == 0.5
