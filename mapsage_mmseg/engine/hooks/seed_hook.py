"""Draws in the model that follow from (seed, iteration)."""

from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class SeedHook(Hook):
    """Seeds torch before every iteration, so dropout and drop path need no stored state to resume exactly.

    The data's draws are :class:`~mapsage_mmseg.datasets.SeedDraws`' business.
    """

    priority = 'VERY_LOW'  # last before the step: what other hooks draw must not reach the model

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        words = np.random.SeedSequence([runner.seed, runner.iter, get_rank()]).generate_state(2, np.uint32)
        torch.manual_seed(int(words[0]) << 32 | int(words[1]))
