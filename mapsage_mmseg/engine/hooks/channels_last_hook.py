"""Convolutions in channels_last."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ..runner_model import model_of


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lays the weights of student, connectors and teacher out as NHWC; what convolutions give follows their weights.

    Values and the keys of a checkpoint are the same, so a run can be resumed with it or without.
    """

    priority = 'NORMAL'  # behind TeacherHook, which brings the teacher in

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        for part in (model, getattr(model, 'teacher', None)):
            if part is not None:
                part.to(memory_format=torch.channels_last)
