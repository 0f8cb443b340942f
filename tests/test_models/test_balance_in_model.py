"""Adaptive weights in the model: applied once, told apart from the declared ones, in a run of each method."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmseg.registry import MODELS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests import runs, tiny
from tests.test_models.test_balance import METHODS, floats, tensors
from tests.test_models.test_multi_level_distill import WEIGHTS, batch


def balanced(method, **changes):
    config = tiny.distill(**changes)
    config.balance = method
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    model.build_teacher().init_weights()
    return model.train()


def effective(model):
    return {key.removeprefix('effective/'): weight for key, weight in model.effective_weights.items()}


@pytest.mark.parametrize('method', METHODS)
def test_accumulated_steps_count_one_by_one(method):
    model = balanced(dict(type=method, interval=1) if method == 'gradnorm' else method)
    model.set_loss_weights(WEIGHTS)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=2)
    inputs, samples = batch()
    seen = []
    for _ in range(4):
        model.train_step(dict(inputs=list(inputs), data_samples=samples), optimizer)
        seen.append((effective(model)['distill'].item(), next(model.student.parameters()).detach().clone()))
    weights, parameters = zip(*seen, strict=True)
    moved = [not torch.equal(before, after) for before, after in pairwise(parameters)]
    assert moved == [True, False, True]
    # Learned weights move with the optimizer, the others with every batch.
    assert len(set(weights)) == (2 if method == 'uncertainty' else 4)


@pytest.mark.parametrize('method', METHODS)
def test_every_parameter_has_a_gradient_in_either_phase(method):
    model = balanced(method)
    for weights in (dict(task=1.0), dict(distill=1.0), WEIGHTS):
        model.zero_grad()
        model.set_loss_weights(weights)
        model.parse_losses(model.loss(*batch()))[0].backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('dtype', [None, torch.bfloat16, torch.float16])
def test_the_total_is_the_effective_weights_times_the_terms(method, dtype):
    loss = dict(type='mmrazor.ChannelWiseDivergence', tau=4.0)
    model = balanced(method, distill=dict(student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=loss))
    model.set_loss_weights(WEIGHTS)
    for _ in range(2):
        with torch.autocast('cpu', dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            losses = model.loss(*batch())
            total, log = model.parse_losses(losses)
        total.backward()
    expected = sum(weight * losses[name] for name, weight in effective(model).items())
    torch.testing.assert_close(log.get('weighted', log['loss']), expected.detach().float())
    assert {weight.dtype for weight in model.effective_weights.values()} == {torch.float32}
    assert not any(weight.requires_grad for weight in model.effective_weights.values())
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert set(effective(model)) == set(WEIGHTS)


def test_only_uncertainty_adds_to_the_total():
    assert 'weighted' not in balanced('shares').parse_losses(tensors(task=2, anchor=0))[1]
    model = balanced('uncertainty')
    model.balance.log_variances.data.fill_(-3.0)
    total, log = model.parse_losses(tensors(task=0.01, anchor=0))
    assert log['weighted'].item() == pytest.approx(0.01 * math.exp(3))
    assert total.item() == log['loss'].item() == pytest.approx(0.01 * math.exp(3) - 3)


@pytest.mark.parametrize('method', METHODS)
def test_an_all_ignored_batch_leaves_no_trace(method):
    model = balanced(method)
    model.set_loss_weights(WEIGHTS)
    model.parse_losses(model.loss(*batch()))
    kept = [key for key in model.balance.state_dict() if key != 'steps']
    before = {key: model.balance.state_dict()[key].clone() for key in kept}
    weights = floats(effective(model))
    total, _ = model.parse_losses(model.loss(*batch(ignored=True)))
    total.backward()
    assert all(torch.equal(before[key], model.balance.state_dict()[key]) for key in kept)
    assert floats(effective(model)) == weights
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


def test_the_measured_cosine_is_that_of_the_effective_weights():
    model = balanced('shares')
    model.set_loss_weights(WEIGHTS)
    model.measures_gradients = True
    losses = model.loss(*batch())
    terms = {name: losses[name] for name in WEIGHTS}
    gram = model._probe.gram(terms)
    model.parse_losses(losses)
    levels = torch.tensor([0.0, *(effective(model)[name].item() for name in list(terms)[1:])])
    expected = gram[0] @ levels / (gram[0, 0] * (levels @ gram @ levels)).sqrt()
    torch.testing.assert_close(model.term_gradients['cosine_all'], expected)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('loop', ['epoch', 'iter'])
def test_a_run_tells_declared_and_effective_weights_apart(method, loop, tmp_path):
    cfg = runs.config(tmp_path, loop=loop, scalars=dict(interval=1), panels=dict(images=0))
    cfg.model.balance = dict(type=method, interval=2) if method == 'gradnorm' else method
    runner = Runner.from_cfg(cfg)
    runner.train()
    epochs = json.loads((Path(runner.work_dir) / 'result.json').read_text())['epochs']
    assert [entry['weights']['distill'] for entry in epochs] == [0, 0, 0.3, 0.3]
    assert [entry['effective']['distill'] > 0 for entry in epochs] == [False, False, True, True]
    assert epochs[3]['effective'] != epochs[3]['weights']
    assert epochs[3]['effective'] != epochs[2]['effective']
    for entry in epochs:
        assert sum(share for share in entry['shares'].values() if share is not None) == pytest.approx(1, rel=1e-4)
    events = EventAccumulator(str(Path(runner.work_dir) / 'logs'))
    events.Reload()
    drawn = {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()['scalars']}
    assert drawn['Weight/distill'][-6:] == pytest.approx([0.3] * 6)
    assert len(drawn['Balance/task']) == 24
    assert sum(drawn['Balance/distill'][-6:]) / 6 == pytest.approx(epochs[3]['effective']['distill'], rel=1e-5)
    assert sum(drawn[f'Share/{name}'][-1] for name in WEIGHTS) == pytest.approx(1, rel=1e-4)


def test_shares_of_a_run_are_nearer_to_the_declared_ones(tmp_path):
    phases = [dict(name='all', begin=1, weights=WEIGHTS)]
    farthest = {}
    for method in (None, 'shares'):
        cfg = runs.config(tmp_path, name=str(method), epochs=2, phases=phases, panels=dict(images=0))
        cfg.model.balance = method
        Runner.from_cfg(cfg).train()
        entry = json.loads((tmp_path / str(method) / 'result.json').read_text())['epochs'][0]
        farthest[method] = max(abs(entry['shares'][name] - weight / 1.05) for name, weight in WEIGHTS.items())
    assert farthest['shares'] < 0.05 < farthest[None]
