"""Gradients that are accumulated over several steps, kept over a stop between two updates."""

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor


def accumulated(runner: Runner) -> dict[str, Tensor] | None:
    """The gradients since the last update, by parameter; None where the next step begins from none. All processes ask
    together: of several it is their mean."""
    wrapper: Any = runner.optim_wrapper
    counts = getattr(wrapper, '_accumulative_counts', 1)
    if not isinstance(wrapper, OptimWrapper) or counts == 1 or wrapper._inner_count % counts == 0:
        return None
    found = {name: each.grad.detach().clone() for name, each in _parameters(runner) if each.grad is not None}
    if get_world_size() > 1:
        for gradient in found.values():
            all_reduce(gradient, 'mean')
    return found


def restore(runner: Runner, gradients: dict[str, Tensor]) -> None:
    """Puts kept gradients where the next step adds its own."""
    for name, parameter in _parameters(runner):
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device, parameter.dtype, copy=True)


def _parameters(runner: Runner) -> Any:
    model: torch.nn.Module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.named_parameters()
