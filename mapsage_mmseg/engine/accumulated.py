"""Gradients that are accumulated over several steps, kept over a stop between two updates."""

from typing import Any

from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from .runner_model import model_of


def accumulated(runner: Runner) -> dict[str, Tensor] | None:
    """The gradients since the last update, by parameter; None where the next step begins from none. All processes ask
    together: of several it is their mean."""
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
    """Puts kept gradients where the next step adds its own."""
    for name, parameter in model_of(runner).named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device, parameter.dtype, copy=True)
