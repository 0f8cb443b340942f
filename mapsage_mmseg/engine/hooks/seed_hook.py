"""Seeding of the model's random draws by (seed, iteration, rank)."""

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

    The data's random draws are seeded by :class:`~mapsage_mmseg.datasets.SeedDraws`.
    """

    priority = 'VERY_LOW'  # last before the step, so that draws of other hooks do not affect the model

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        words = np.random.SeedSequence([runner.seed, runner.iter, get_rank()]).generate_state(2, np.uint32)
        torch.manual_seed(int(words[0]) << 32 | int(words[1]))
