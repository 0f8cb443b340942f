"""Gradients accumulated over several steps, saved when a run stops between two updates."""

from typing import Any

from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from .runner_model import model_of


def accumulated(runner: Runner) -> dict[str, Tensor] | None:
    """Returns the gradients accumulated since the last optimizer update.

    A collective: every process has to call it. With several processes the result is their mean.

    Returns:
        Gradients by parameter name; None if the next step starts without any.
    """
    wrapper: Any = runner.optim_wrapper
    counts = getattr(wrapper, '_accumulative_counts', 1)
    if not isinstance(wrapper, OptimWrapper) or counts == 1 or wrapper._inner_count % counts == 0:
        return None
    parameters = model_of(runner).named_parameters()
    found = {name: each.grad.detach().clone() for name, each in parameters if each.grad is not None}
    if get_world_size() > 1:
        for gradient in found.values():
            all_reduce(gradient, 'mean')
    return found


def restore(runner: Runner, gradients: dict[str, Tensor]) -> None:
    """Puts saved gradients back, so that the next step adds its own to them."""
    for name, parameter in model_of(runner).named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device, parameter.dtype, copy=True)
