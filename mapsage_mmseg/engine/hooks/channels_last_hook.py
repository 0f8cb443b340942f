"""Convolutions in channels_last."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ..runner_model import model_of


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lays out the weights of student, connectors and teacher as NHWC; outputs of convolutions follow their weights.

    Values and checkpoint keys stay the same, so a run can be resumed with or without this hook.
    """

    priority = 'NORMAL'  # after TeacherHook, which loads the teacher

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        for part in (model, getattr(model, 'teacher', None)):
            if part is not None:
                part.to(memory_format=torch.channels_last)
