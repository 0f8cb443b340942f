"""Exponential moving average of the student's weights, which is the student that is validated, saved and exported."""

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from ...errors import InputError
from ..runner_model import model_of

RAW = 'raw_state_dict'  # in a checkpoint: the student's weights as the optimizer has them
WARM_UP = 10  # steps of warm-up: after i steps the momentum is at most (1 + i) / (10 + i)


@HOOKS.register_module()
class StudentMeanHook(Hook):
    """Keeps an exponential moving average (EMA) of the student's weights: ``mean = m * mean + (1 - m) * weights``.

    (Polyak and Juditsky 1992; Tarvainen and Valpola 2017, arXiv:1703.01780.)

    The mean replaces the weights in validation and in every checkpoint, so it is the student wherever one is read. A
    checkpoint to resume from holds the raw weights as well. In a distillation only the student is averaged: MMEngine's
    ``EMAHook`` would average the whole model, including connectors, and store a second copy of it.

    Args:
        momentum: m in [0, 1), applied after each step. About 1 / (1 - m) steps count.
    """

    priority = 'ABOVE_NORMAL'  # before hooks that read a validation or write a checkpoint

    def __init__(self, momentum: float = 0.999) -> None:
        if not isinstance(momentum, int | float) or not 0 <= momentum < 1:
            raise InputError(f'default_hooks.mean.momentum={momentum!r} must be a number from 0, below 1')
        self.momentum = momentum
        self.mean: dict[str, Tensor] = {}
        self._resumed: dict[str, Tensor] | None = None
        self._floating: tuple[list[Tensor], list[Tensor]] | None = None  # means and weights, in the same order
        self._others: list[tuple[Tensor, Tensor]] = []
        self._swapped = False

    def before_train(self, runner: Runner) -> None:
        student = _student(runner)
        self.mean = {name: value.detach().clone() for name, value in student.state_dict().items()}
        if self._resumed is not None:
            for name, value in self._resumed.items():
                self.mean[name].copy_(value)
            self._resumed = None
        self._floating = None

    @torch.no_grad()
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if not runner.optim_wrapper.should_update():  # gradients are accumulated: nothing has changed
            return
        self._floating = self._floating or self._pair(runner)  # not earlier: hooks move weights when a run starts
        momentum = min(self.momentum, (1 + runner.iter) / (WARM_UP + runner.iter))
        torch._foreach_lerp_(self._floating[0], self._floating[1], 1 - momentum)
        for mean, value in self._others:
            mean.copy_(value)

    def _pair(self, runner: Runner) -> tuple[list[Tensor], list[Tensor]]:
        pairs = [(self.mean[name], value.data) for name, value in _student(runner).state_dict(keep_vars=True).items()]
        self._others = [pair for pair in pairs if not pair[0].is_floating_point()]
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        return [mean for mean, _ in floating], [value for _, value in floating]

    def before_val_epoch(self, runner: Runner) -> None:
        if self.mean and not self._swapped:
            self._agree()
            self._swap(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._swapped:
            self._swap(runner)

    def _swap(self, runner: Runner) -> None:
        """Exchanges the model's weights and the mean, in place."""
        with torch.no_grad():
            for name, value in _student(runner).state_dict(keep_vars=True).items():
                kept = value.data.clone()
                value.data.copy_(self.mean[name])
                self.mean[name].copy_(kept)
        self._swapped = not self._swapped

    def _agree(self) -> None:
        """Averages the mean over the processes, between which the statistics of norms differ."""
        if get_world_size() > 1:
            for value in self.mean.values():
                if value.is_floating_point():
                    all_reduce(value, 'mean')

    def before_checkpoint(self, runner: Runner) -> None:
        """Averages the mean over the processes; called on all of them before one writes."""
        if self.mean and not self._swapped:
            self._agree()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not self.mean:
            return
        prefix, state = _prefix(runner), checkpoint['state_dict']
        mine = {f'{prefix}{name}': value.detach().to('cpu', copy=True) for name, value in self.mean.items()}
        model = {key: state[key] for key in mine}
        mean, raw = (model, mine) if self._swapped else (mine, model)
        state.update(mean)
        if 'optimizer' in checkpoint:
            checkpoint[RAW] = raw

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        raw = checkpoint.get(RAW)
        if not runner._resume:
            return
        if raw is None:
            raise InputError(
                '--resume: the checkpoint has no weights beside their mean, so the run was begun without '
                'default_hooks.mean; resume it with the config that it came from'
            )
        prefix, state = _prefix(runner), checkpoint['state_dict']
        self._resumed = {key.removeprefix(prefix): state[key] for key in raw}
        state.update(raw)


def _student(runner: Runner) -> nn.Module:
    model = model_of(runner)
    return getattr(model, 'student', model)


def _prefix(runner: Runner) -> str:
    """Returns the prefix of the student's weights in a checkpoint."""
    return 'architecture.' if hasattr(model_of(runner), 'student') else ''
