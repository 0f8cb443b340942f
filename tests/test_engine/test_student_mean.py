"""The mean of the student's weights: its value, where it is used, and that it survives a stop."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS, MODELS

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.engine.hooks.student_mean_hook import RAW
from mapsage_mmseg.errors import InputError
from tests import runs, tiny

KEY = 'decode_head.conv_seg.weight'


@HOOKS.register_module()
class Weights(Hook):
    """One weight of the student behind every step, and as a validation sees it."""

    priority = 'LOW'

    def before_run(self, runner):
        self.steps, self.validated = [], []

    def before_train(self, runner):
        self.first = runner.model.student.state_dict()[KEY].clone()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append(runner.model.student.state_dict()[KEY].clone())

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.validated.append(runner.model.student.state_dict()[KEY].clone())


def config(folder, name, momentum=0.8, epochs=2, **checkpoint):
    cfg = runs.config(folder, name=name, epochs=epochs, checkpoint=checkpoint)
    cfg.default_hooks.update(mean=dict(type='StudentMeanHook', momentum=momentum), weights=dict(type='Weights'))
    return cfg


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mean')
    cfg = config(folder, 'whole', by_epoch=False, interval=1, max_keep_ckpts=-1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return folder, runner, next(hook for hook in runner.hooks if isinstance(hook, Weights))


def test_the_mean_is_the_one_worked_out_and_it_is_validated(whole):
    _, _, seen = whole
    mean, means = seen.first, []
    for step, weight in enumerate(seen.steps):
        momentum = min(0.8, (1 + step) / (10 + step))
        mean = momentum * mean + (1 - momentum) * weight
        means.append(mean)
    for validation, behind in ((0, 5), (2, 11)):  # two images each
        torch.testing.assert_close(seen.validated[validation], means[behind], rtol=1e-5, atol=1e-7)
    assert not torch.allclose(seen.validated[2], seen.steps[11])
    assert torch.equal(seen.steps[6], seen.steps[6]) and len(seen.steps) == 12


def test_a_checkpoint_holds_the_mean_as_the_student_and_the_weights_beside_it(whole):
    folder, runner, seen = whole
    checkpoint = load_checkpoint_file(str(folder / 'whole/checkpoints/iter_12.pth'))
    assert torch.equal(checkpoint['state_dict'][f'architecture.{KEY}'], seen.validated[2])
    assert torch.equal(checkpoint[RAW][f'architecture.{KEY}'], seen.steps[11])
    assert all(key.startswith('architecture.') for key in checkpoint[RAW])
    (best,) = (folder / 'whole/checkpoints').glob('best_*.pth')
    assert RAW not in load_checkpoint_file(str(best))
    assert torch.equal(runner.model.student.state_dict()[KEY], seen.steps[11])  # it resumes from the weights themselves


@pytest.mark.parametrize('iteration', [4, 6, 9])
def test_a_resumed_run_ends_bit_for_bit(whole, iteration):
    folder, reference, seen = whole
    left = folder / f'left{iteration}'
    (left / 'checkpoints').mkdir(parents=True)
    shutil.copy(folder / f'whole/checkpoints/iter_{iteration}.pth', left / 'checkpoints')
    record = json.loads((folder / 'whole/result.json').read_text())
    record.update(status='running', epochs=[entry for entry in record['epochs'] if entry['iter'] <= iteration])
    (left / 'result.json').write_text(json.dumps(record))
    cfg = config(folder, left.name, by_epoch=False, interval=12, max_keep_ckpts=-1)
    cfg.resume, cfg.experiment_name = True, f'{folder.name}_{iteration}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    mine, its = (load_checkpoint_file(str(folder / name / 'checkpoints/iter_12.pth')) for name in (left.name, 'whole'))
    for part in ('state_dict', RAW):
        assert [key for key, value in its[part].items() if not torch.equal(value, mine[part][key])] == []


def test_a_run_that_began_without_a_mean_is_not_resumed_with_one(tmp_path):
    runs_config = runs.config(tmp_path, name='run', epochs=1)
    Runner.from_cfg(runs_config).train()
    cfg = config(tmp_path, 'run', epochs=2)
    cfg.resume, cfg.experiment_name = True, f'{tmp_path.name}_again'
    with pytest.raises(InputError, match='the run was begun without default_hooks.mean'):
        Runner.from_cfg(cfg).train()


def test_the_teacher_is_not_in_it(whole):
    _, runner, _ = whole
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'StudentMeanHook')
    assert set(hook.mean) == set(runner.model.student.state_dict())


@pytest.mark.parametrize('momentum', [1, -0.1, 'much'])
def test_a_momentum_that_is_none(momentum):
    with pytest.raises(InputError, match='must be a number from 0, below 1'):
        HOOKS.build(dict(type='StudentMeanHook', momentum=momentum))


def test_a_control_has_one_too(tmp_path):
    cfg = config(tmp_path, 'alone', epochs=1)
    cfg.model, cfg.default_hooks = (
        tiny.student(),
        {
            key: value
            for key, value in cfg.default_hooks.items()
            if key not in ('teacher', 'phases', 'temperature', 'weights')
        },
    )
    cfg.model.data_preprocessor = tiny.PREPROCESSOR
    runner = Runner.from_cfg(cfg)
    runner.train()
    checkpoint = load_checkpoint_file(str(Path(runner.work_dir) / 'checkpoints/epoch_1.pth'))
    assert set(checkpoint[RAW]) == set(checkpoint['state_dict'])
    assert MODELS.build(cfg.model).load_state_dict(checkpoint['state_dict'])
