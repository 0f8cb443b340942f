"""Resuming under another schedule, on other data, and between two updates of accumulated gradients."""

from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mapsage_mmseg.errors import InputError
from tests import runs


@HOOKS.register_module()
class Rates(Hook):
    """The learning rates of each step."""

    def before_run(self, runner):
        self.rates = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates[runner.iter] = [group['lr'] for group in runner.optim_wrapper.param_groups]


def trained(cfg, stop=None):
    """A run until its end, or until it dies behind so many iterations, its checkpoint written."""
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=stop or 1000, max_keep_ckpts=-1)
    cfg.default_hooks.rates = dict(type='Rates')
    runner = Runner.from_cfg(cfg)
    if stop:
        runner.register_hook(Dies(stop), priority='LOWEST')
        with pytest.raises(Died):
            runner.train()
    else:
        runner.train()
    return runner


class Died(Exception):
    """As if the process was gone."""


class Dies(Hook):
    def __init__(self, stop):
        self.stop = stop

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.stop:
            raise Died


def rates(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, Rates)).rates


@pytest.mark.parametrize(('lr', 'epochs'), [(1e-3, 6), (3e-4, 3)], ids=['longer', 'another rate'])
@pytest.mark.parametrize('stop', [6, 9])
def test_a_resumed_run_follows_the_schedule_of_its_config(tmp_path, lr, epochs, stop):
    def config(name, lr, epochs):
        cfg = runs.config(tmp_path, name=name, epochs=epochs)
        cfg.optim_wrapper.optimizer.lr = lr
        return cfg

    expected = rates(trained(config('straight', lr, epochs)))
    trained(config('changed', 1e-3, 3), stop=stop)
    cfg = config('changed', lr, epochs)
    cfg.resume, cfg.experiment_name = True, f'{tmp_path.name}_again'
    found = rates(trained(cfg))
    assert sorted(found) == list(range(stop, 6 * epochs))
    for iteration, its in found.items():
        assert its == pytest.approx(expected[iteration], rel=1e-9), iteration


@pytest.mark.parametrize('before', [None, 'cosine'])
def test_without_a_schedule_the_rate_and_the_decay_of_the_config_hold(tmp_path, before):
    def config(lr, decay, schedule):
        cfg = runs.config(tmp_path, name='run', epochs=3)
        cfg.optim_wrapper.optimizer.update(lr=lr, weight_decay=decay)
        cfg.param_scheduler = cfg.param_scheduler if schedule else None
        return cfg

    trained(config(1e-3, 0.01, before), stop=6)
    cfg = config(1e-5, 0.5, None)
    cfg.resume, cfg.experiment_name = True, f'{tmp_path.name}_again'
    runner = trained(cfg)
    multipliers = {round(rate / 1e-5, 6) for its in rates(runner).values() for rate in its}
    assert multipliers == {1.0, 10.0}  # the head's and the connectors'
    assert {group['weight_decay'] for group in runner.optim_wrapper.param_groups} == {0.0, 0.5}


def test_between_two_updates_the_gradients_are_kept(tmp_path):
    def config(name):
        cfg = runs.config(tmp_path, name=name, epochs=2)
        cfg.optim_wrapper.accumulative_counts = 4
        return cfg

    expected = trained(config('straight')).model.state_dict()
    trained(config('stopped'), stop=6)  # two batches behind the first update
    cfg = config('stopped')
    cfg.resume, cfg.experiment_name = True, f'{tmp_path.name}_again'
    found = trained(cfg).model.state_dict()
    assert [key for key, value in found.items() if not torch.equal(value, expected[key])] == []


def test_other_data_are_refused_by_their_keys(tmp_path):
    trained(runs.config(tmp_path, name='run', epochs=2), stop=6)
    cfg = runs.config(tmp_path, name='run', epochs=2)
    cfg.val_dataloader.dataset.length = 3
    cfg.resume, cfg.experiment_name = True, f'{tmp_path.name}_again'
    with pytest.raises(InputError, match='the run began on other data: its labelled tiles have the key [0-9a-f]{16}'):
        Runner.from_cfg(cfg).train()
    assert (Path(cfg.work_dir) / 'checkpoints/iter_6.pth').is_file()
