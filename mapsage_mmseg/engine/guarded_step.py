"""Steps of the optimizer that a gradient that is non-finite does not reach."""

import math
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmseg.registry import OPTIM_WRAPPERS
from torch.nn.utils import clip_grad_norm_


class GuardedStep:
    """Leaves out the step of an optimizer wrapper where the gradient's norm is non-finite.

    It looks at the norm that clipping has worked out and that MMEngine logs, so it waits for nothing more and costs
    nothing more. Without ``clip_grad`` there is no norm, and every step is taken.

    Attributes:
        skipped: Steps that were left out, in this process.
        in_a_row: How many of them since the last one that was taken.
        searching: Whether the last one was left out because a loss scale was too high, which is how it is found.
    """

    skipped = 0
    in_a_row = 0
    searching = False

    def clip(self) -> None:
        """Clips as MMEngine's wrapper does, and has the norm logged where clipping by value works none out."""
        if self.clip_grad_kwargs.get('type') == 'value':  # type: ignore[attr-defined]
            params = [each for group in self.optimizer.param_groups for each in group['params']]  # type: ignore[attr-defined]
            norm = clip_grad_norm_(params, math.inf)
            self.message_hub.update_scalar(f'train/{self.grad_name}', float(norm))  # type: ignore[attr-defined]
        self._clip_grad()  # type: ignore[attr-defined]

    def is_sound(self, norm_name: str) -> bool:
        """Whether the step may be taken, by the norm of its own gradient; counts where not."""
        norm = self.message_hub.get_scalar(f'train/{norm_name}').current()  # type: ignore[attr-defined]
        if math.isfinite(norm):
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        return False


@OPTIM_WRAPPERS.register_module(name='OptimWrapper')
class GuardedOptimWrapper(GuardedStep, OptimWrapper):
    """MMEngine's ``OptimWrapper``, guarded; under MMSegmentation's scope it answers to that name, so that stock configs
    and the stock tool have it."""

    def step(self, **kwargs: Any) -> None:
        if not self.clip_grad_kwargs:
            return super().step(**kwargs)
        self.clip()
        if self.is_sound(self.grad_name):
            self.optimizer.step(**kwargs)
        return None


def gradient_norm(runner: Runner) -> float | None:
    """Norm before clipping of the gradient of the step just taken or left out; None where there was no step, where
    nobody worked it out, and where a loss scale was searched for."""
    wrapper = runner.optim_wrapper
    if 'train/grad_norm' not in runner.message_hub.log_scalars or getattr(wrapper, 'searching', False):
        return None
    if not wrapper.should_update():  # gradients are accumulated, and the last update's norm still stands there
        return None
    return float(runner.message_hub.get_scalar('train/grad_norm').current())
