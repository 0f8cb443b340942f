"""Optimizer steps that are skipped when the gradient is non-finite."""

import math
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmseg.registry import OPTIM_WRAPPERS
from torch.nn.utils import clip_grad_norm_


class GuardedStep:
    """Skips an optimizer wrapper's step if the norm of the gradient is non-finite.

    It reads the norm that clipping has computed and MMEngine logs, so it adds no synchronisation and no cost. Without
    ``clip_grad`` there is no norm, and every step is taken.

    Attributes:
        skipped: Number of steps that this process has skipped.
        in_a_row: Number of steps skipped since the last one that was taken.
        searching: Whether the last step was skipped because the loss scale was too high, which is how it is found.
    """

    skipped = 0
    in_a_row = 0
    searching = False

    def clip(self) -> None:
        """Clips as MMEngine's wrapper does, and logs the norm if clipping by value does not compute one."""
        if self.clip_grad_kwargs.get('type') == 'value':  # type: ignore[attr-defined]
            params = [each for group in self.optimizer.param_groups for each in group['params']]  # type: ignore[attr-defined]
            norm = clip_grad_norm_(params, math.inf)
            self.message_hub.update_scalar(f'train/{self.grad_name}', float(norm))  # type: ignore[attr-defined]
        self._clip_grad()  # type: ignore[attr-defined]

    def is_sound(self, norm_name: str) -> bool:
        """Returns whether the gradient's norm is finite, so that the step may be taken; otherwise counts the step as
        skipped."""
        norm = self.message_hub.get_scalar(f'train/{norm_name}').current()  # type: ignore[attr-defined]
        if math.isfinite(norm):
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        return False


@OPTIM_WRAPPERS.register_module(name='OptimWrapper')
class GuardedOptimWrapper(GuardedStep, OptimWrapper):
    """MMEngine's ``OptimWrapper`` with :class:`GuardedStep`.

    It is registered under the same name in MMSegmentation's scope, so stock configs and the stock tool use it.
    """

    def step(self, **kwargs: Any) -> None:
        if not self.clip_grad_kwargs:
            return super().step(**kwargs)
        self.clip()
        if self.is_sound(self.grad_name):
            self.optimizer.step(**kwargs)
        return None


def gradient_norm(runner: Runner) -> float | None:
    """Returns the norm, before clipping, of the gradient of the step just taken or skipped.

    Returns:
        None if there was no optimizer step, no norm was computed, or the loss scale was being searched for.
    """
    wrapper = runner.optim_wrapper
    if 'train/grad_norm' not in runner.message_hub.log_scalars or getattr(wrapper, 'searching', False):
        return None
    if not wrapper.should_update():  # gradients are accumulated: the logged norm is the last update's
        return None
    return float(runner.message_hub.get_scalar('train/grad_norm').current())
