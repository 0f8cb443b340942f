"""Gradients that are no numbers: left out, rolled back, and at last a black box."""

import json
import logging
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import nn

from mapsage_mmseg.commands import cli, replay
from mapsage_mmseg.engine import processes
from mapsage_mmseg.engine.guarded_step import GuardedOptimWrapper, GuardedStep, gradient_norm
from mapsage_mmseg.engine.hooks import RescueHook
from mapsage_mmseg.engine.mixed_precision import MixedPrecisionOptimWrapper
from mapsage_mmseg.errors import RollBack, RunStopped
from mapsage_mmseg.settings.load import load_config
from mapsage_mmseg.training import session
from mapsage_mmseg.training.session import fit
from tests import runs
from tests.processes import run_processes


@HOOKS.register_module()
class PoisonHook(Hook):
    """Spoils the gradient, or the images, of some iterations (from 1), so many times in all."""

    priority = 'LOW'
    left = 0

    def __init__(self, iterations, images=False):
        self.iterations, self.images = iterations, images

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 not in self.iterations or PoisonHook.left <= 0:
            return
        PoisonHook.left -= 1
        if self.images:
            data_batch['inputs'][0] = torch.full((3, 64, 64), math.nan)
            return
        parameter = next(runner.model.parameters())
        handle = parameter.register_hook(lambda gradient: (handle.remove(), gradient * math.nan)[1])


def config(folder, iterations, times, images=False, **rescue):
    PoisonHook.left = times
    cfg = runs.config(folder, epochs=3, **(dict(rescue=rescue) if rescue else {}))
    cfg.custom_hooks = [dict(type='PoisonHook', iterations=iterations, images=images)]
    cfg.experiment = 'improved_distill'
    return cfg


def entries(folder):
    return json.loads((Path(folder) / 'run/result.json').read_text())['epochs']


@pytest.mark.parametrize('wrapper', [GuardedOptimWrapper, MixedPrecisionOptimWrapper])
def test_a_step_is_left_out_by_its_own_gradient_and_the_next_one_is_taken(wrapper):
    parameter = nn.Parameter(torch.ones(2))
    step = wrapper(optimizer=torch.optim.SGD([parameter], lr=0.5), clip_grad=dict(max_norm=10.0))
    step.update_params((parameter * torch.tensor([math.nan, 1.0])).sum())
    assert parameter.tolist() == [1.0, 1.0] and (step.skipped, step.in_a_row) == (1, 1)
    step.update_params(parameter.sum())
    assert parameter.tolist() == [0.5, 0.5] and (step.skipped, step.in_a_row) == (1, 0)


def test_a_loss_scale_that_is_searched_for_is_no_gradient_that_is_no_number():
    parameter = nn.Parameter(torch.ones(1))
    step = MixedPrecisionOptimWrapper(optimizer=torch.optim.SGD([parameter], lr=0.5), clip_grad=dict(max_norm=10.0))
    step.loss_scaler, runner = torch.amp.GradScaler('cpu', init_scale=4.0), SimpleNamespace(optim_wrapper=step)
    runner.message_hub = step.message_hub
    for scale, norm in ((2.0, None), (1.0, math.inf)):  # at scale 1 it is the loss itself
        step.update_params(parameter.sum() * math.inf)
        assert step.loss_scaler.get_scale() == scale and gradient_norm(runner) == norm
    step.update_params(parameter.sum())
    assert gradient_norm(runner) == pytest.approx(1.0) and parameter.item() == 0.5


def test_configs_that_say_optimwrapper_have_the_guard(repository):
    cfg = load_config(repository / 'configs/distill/no_distill.py')
    assert isinstance(build_optim_wrapper(nn.Linear(2, 2), cfg.optim_wrapper), GuardedOptimWrapper)


def test_one_bad_gradient_costs_its_step(tmp_path):
    runner = fit(config(tmp_path, [4], 1))
    assert [entry['stability']['skipped'] for entry in entries(tmp_path)] == [1, 0, 0]
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())
    log = '\n'.join(path.read_text() for path in (tmp_path / 'run').glob('*/*.log'))
    assert 'Iteration 4: the gradient is non-finite, its step was skipped (1 in a row, 1 in all)' in log
    assert 'Rolling back' not in log


def test_several_in_a_row_roll_back_to_the_last_checkpoint_at_half_the_rate(tmp_path):
    fit(config(tmp_path / 'whole', [], 0))
    fit(config(tmp_path, range(8, 99), 2, patience=2))
    rates = [[entry['lr'] for entry in entries(folder)] for folder in (tmp_path / 'whole', tmp_path)]
    assert rates[1] == pytest.approx([rates[0][0], rates[0][1] / 2, rates[0][2] / 2])
    assert [entry['iter'] for entry in entries(tmp_path)] == [6, 12, 18]
    checkpoint = torch.load(tmp_path / 'run/checkpoints/epoch_3.pth', weights_only=False)
    assert checkpoint['rolled_back'] == 1


def test_what_is_resumed_by_hand_is_halved_and_counted_and_a_new_run_is_not(tmp_path):
    cfg = config(tmp_path, range(8, 99), 2, patience=2)
    with pytest.raises(RollBack):
        session._fit_once(cfg)
    before = entries(tmp_path)[0]['lr']
    shutil.copytree(tmp_path / 'run', tmp_path / 'new')
    cfg.resume, cfg.experiment_name = True, f'{tmp_path.name}_by_hand'
    session._fit_once(cfg)
    assert entries(tmp_path)[1]['lr'] < before / 2
    checkpoint = torch.load(tmp_path / 'run/checkpoints/epoch_3.pth', weights_only=False)
    assert checkpoint['rolled_back'] == 1

    anew = runs.config(tmp_path, name='new', epochs=1)
    session._fit_once(anew)
    assert torch.load(tmp_path / 'new/checkpoints/epoch_1.pth', weights_only=False)['rolled_back'] == 0
    anew.resume, anew.experiment_name, anew.train_cfg.max_epochs = True, f'{tmp_path.name}_new_again', 2
    session._fit_once(anew)
    assert torch.load(tmp_path / 'new/checkpoints/epoch_2.pth', weights_only=False)['rolled_back'] == 0


def test_images_that_are_no_numbers_spoil_the_norms_and_are_rolled_back_at_once(tmp_path):
    runner = fit(config(tmp_path, [9], 1, images=True))
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())
    assert [entry['iter'] for entry in entries(tmp_path)] == [6, 12, 18]


def test_in_the_end_it_stops_and_leaves_a_black_box_that_can_be_run_again(tmp_path, capsys):
    with pytest.raises(RunStopped, match='after 1 times at half the rate; first non-finite value: the images'):
        fit(config(tmp_path, range(8, 99), 99, images=True, rollbacks=1))
    assert json.loads((tmp_path / 'run/result.json').read_text())['status'] == 'failed'
    assert cli.run(replay.main, [str(tmp_path / 'run')]) == 0
    told = capsys.readouterr().out
    assert 'Iteration 8, 2 images' in told and 'task: nan' in told
    assert 'First non-finite value: the images' in told
    (tmp_path / 'run/black_box.pth').write_bytes(b'no box')
    assert cli.run(replay.main, [str(tmp_path / 'run')]) == 2


class NotAlone(nn.Linear):
    """Waits for the other processes in its forward, as SyncBN does."""

    def forward(self, *args, **kwargs):
        raise AssertionError('its forward ran in one process')


def two_processes(folder):
    processes.join('pytorch', {})
    model, step, hook = NotAlone(2, 2), GuardedStep(), RescueHook(rollbacks=0)
    model.data_preprocessor = lambda batch, training: dict(inputs=batch['inputs'][0])
    step.skipped = step.in_a_row = 5
    runner = SimpleNamespace(model=model, optim_wrapper=step, iter=7, work_dir=folder, logger=logging.getLogger())
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 4, 4)))
    with pytest.raises(RunStopped, match=rf'python tools/replay.py {folder}/black_box.pth') as stop:
        hook.after_train_iter(runner, 7, dict(inputs=[torch.zeros(3, 4, 4)], data_samples=[sample]))
    assert 'since iteration 4, after 0 times' in str(stop.value)
    assert (folder / 'black_box.pth').is_file()
    processes.leave()


def test_of_two_processes_none_runs_the_step_again(tmp_path):
    run_processes(two_processes, tmp_path)


def test_a_parameter_that_is_no_number_is_named(tmp_path, capsys):
    runner = fit(config(tmp_path, [], 0))
    with torch.no_grad():
        runner.model.student.backbone.layers[1][0].projection.weight[0] = math.inf
    from mapsage_mmseg.engine.runs.black_box import write_black_box

    write_black_box(tmp_path / 'run', runner.model, next(iter(runner.train_dataloader)), 1)
    assert cli.run(replay.main, [str(tmp_path / 'run')]) == 0
    assert 'backbone.layers.1.0.projection.weight' in capsys.readouterr().out
