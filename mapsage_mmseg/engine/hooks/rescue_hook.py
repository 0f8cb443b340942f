"""Recovery of a run with non-finite gradients."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS

from ...errors import InputError, RollBack, RunStopped
from ...whole_file import write_text
from ..guarded_step import GuardedStep
from ..processes import from_first
from ..runner_model import model_of
from ..runs.black_box import broken_state, replay_step, write_black_box

NAME = '.rolled_back'  # in the run directory: number of rollbacks, for any tool that resumes the run


@HOOKS.register_module()
class RescueHook(Hook):
    """Acts on the steps that :class:`~mapsage_mmseg.engine.guarded_step.GuardedStep` skips.

    Each skipped step is logged as a warning. After several in a row, or at once if the model itself holds non-finite
    values (a batch norm's statistics take them up in the forward), the run is rolled back to its last intact checkpoint
    and continues at half the learning rate. ``tools/train.py`` does that by itself; under another tool the run stops
    and has to be resumed. After too many rollbacks the run stops, and writes the batch and the model to
    ``black_box.pth``, which ``tools/replay.py`` runs again.

    Args:
        patience: Number of consecutive skipped steps that triggers a rollback.
        rollbacks: How many times a run may be rolled back, over all its resumes.
        rolled_back: How many times the run has been rolled back; set by ``tools/train.py``, by a file that a rollback
            writes to the run directory, and by the checkpoint that is resumed.

    Raises:
        RollBack: The run is to be rolled back.
        RunStopped: The run has been rolled back ``rollbacks`` times already.
    """

    priority = 85  # after the step is recorded, before anything is saved

    def __init__(self, patience: int = 5, rollbacks: int = 3, rolled_back: int = 0) -> None:
        for name, value in (('patience', patience), ('rollbacks', rollbacks), ('rolled_back', rolled_back)):
            if not isinstance(value, int) or value < (name == 'patience'):
                raise InputError(
                    f'default_hooks.rescue.{name}={value!r} must be a whole number from {name == "patience":d}'
                )
        self.patience, self.rollbacks, self.rolled_back = patience, rollbacks, rolled_back
        self._seen = 0  # skipped steps that were reported
        self._saved = 0  # rollbacks according to the checkpoint that is resumed

    def before_run(self, runner: Runner) -> None:
        if isinstance(runner._train_loop, BaseLoop):
            path, resumed = Path(runner.work_dir) / NAME, runner._resume
            self.rolled_back = max(self.rolled_back, from_first(lambda: _noted(path, resumed)))

    def before_train(self, runner: Runner) -> None:
        self._seen = 0
        self.rolled_back = max(self.rolled_back, self._saved)
        factor = 0.5 ** (self.rolled_back - self._saved)
        if factor < 1:
            _scale_rate(runner, factor)
            runner.logger.warning(f'Rolled back {self.rolled_back} of at most {self.rollbacks} times: half the rate')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['rolled_back'] = self.rolled_back

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._saved = checkpoint.get('rolled_back', 0) if runner._resume else 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        step = runner.optim_wrapper
        if not isinstance(step, GuardedStep) or step.skipped == self._seen or not step.in_a_row:
            return
        self._seen = step.skipped
        model: Any = model_of(runner)
        broken = broken_state(model)
        runner.logger.warning(
            f'Iteration {runner.iter + 1}: the gradient is non-finite, its step was skipped '
            f'({step.in_a_row} in a row, {step.skipped} in all)'
            + (f'; {broken} holds non-finite values' if broken else '')
        )
        if step.in_a_row >= self.patience or _anywhere(broken is not None):
            self._bring_back(runner, model, data_batch)

    def _bring_back(self, runner: Runner, model: Any, batch: Any) -> None:
        what = f'non-finite gradients since iteration {runner.iter + 2 - runner.optim_wrapper.in_a_row}'
        if self.rolled_back < self.rollbacks:
            if is_main_process():
                with suppress(OSError):  # a full disk; tools/train.py does not need the file
                    write_text(Path(runner.work_dir) / NAME, str(self.rolled_back + 1))
            raise RollBack(f'{what}; to continue at half the learning rate: --resume', self.rolled_back + 1)
        path = from_first(lambda: write_black_box(runner.work_dir, model, batch, runner.iter + 1))
        what = f'stopped: {what}, after {self.rolled_back} times at half the rate'
        if get_world_size() == 1:  # with several, only the first could replay, and a synchronised norm waits for all
            _, first = replay_step(model, batch)
            what += f'; first non-finite value: {first or "the gradient alone"}'
        raise RunStopped(f'{what}. Look at it: python tools/replay.py {path}')


def _noted(path: Path, resumed: bool) -> int:
    """Returns how many times the run of a directory was rolled back; 0 for a run that starts anew there."""
    if not resumed:
        path.unlink(missing_ok=True)
    with suppress(FileNotFoundError, ValueError):
        return int(path.read_text())
    return 0


def _anywhere(local: bool) -> bool:
    """Returns whether ``local`` holds in any process. A collective: all processes skipped the step, so all call it."""
    if get_world_size() == 1:
        return local
    flag = torch.tensor(int(local))
    all_reduce(flag, 'max')
    return bool(flag)


def _scale_rate(runner: Runner, factor: float) -> None:
    for group in runner.optim_wrapper.param_groups:
        group['lr'] *= factor
        if 'initial_lr' in group:
            group['initial_lr'] *= factor
    for scheduler in runner.param_schedulers or []:
        if scheduler.param_name == 'lr':
            scheduler.base_values = [value * factor for value in scheduler.base_values]
