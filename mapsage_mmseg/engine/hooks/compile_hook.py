"""torch.compile for student and teacher."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from ...models.segmentors.packed import is_packed
from ..runner_model import model_of

PARTS = ('backbone', 'neck', 'decode_head', 'auxiliary_head')


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the forwards of the student's parts, for training, and of the teacher.

    Losses, weights and temperature stay outside, so schedules trigger no recompilation; a phase that records other
    levels does, once. Recorders inside are part of the graph. Two things are not compiled: validation, whose images
    have other sizes, and on a CPU the teacher, whose packed weights are faster. Neither modules nor the keys of
    ``state_dict`` change. (MMEngine's ``cfg.compile`` compiles the whole training step, including optimizer, labels and
    log.)

    Args:
        options: As for :func:`torch.compile`: ``backend``, ``mode``, ``fullgraph``.
    """

    priority = 'BELOW_NORMAL'  # after all hooks that change the model before training

    def __init__(self, **options: Any) -> None:
        self.options = {'dynamic': False, **options}

    def before_train(self, runner: Runner) -> None:
        compile_forwards(model_of(runner), **self.options)


def compile_forwards(model: Any, **options: Any) -> None:
    """Replaces the forwards of a segmentor, or of a distillation's student and teacher, by compiled ones.

    Args:
        model: Changed in place, through attributes of its instances.
        options: As for :func:`torch.compile`.
    """
    segmentor = getattr(model, 'student', model)
    for name in PARTS:
        part = getattr(segmentor, name, None)
        for module in part if isinstance(part, nn.ModuleList) else [part]:
            if module is not None:
                module.forward = _while_training(module, torch.compile(module.forward, **options))  # type: ignore
    teacher = getattr(model, 'teacher', None)
    if teacher is not None and not is_packed(teacher):
        # mode='tensor', used only in training; validation predicts, on images of other sizes
        teacher._forward = torch.compile(teacher._forward, **options)


def _while_training(module: nn.Module, compiled: Callable[..., Any]) -> Callable[..., Any]:
    written = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        return (compiled if module.training else written)(*args, **kwargs)

    return forward
