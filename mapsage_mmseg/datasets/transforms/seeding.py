"""Reproducible random draws: augmentation seeded by (seed, epoch, index), and integers that never change."""

import math
import random
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from ...errors import InputError
from ..sampler import DrawIndex


@TRANSFORMS.register_module()
class SeedDraws(BaseTransform):
    """Seeds the generators that later transforms draw from: ``random``, ``numpy.random`` and torch's for the CPU.

    Place it in a training pipeline before the first random transform. MMEngine stores no random state and gives every
    worker the same seeds again at each start. Without this, a resumed run draws other augmentations than an
    uninterrupted one, and a run's draws depend on the number of workers.

    It cannot seed a transform that keeps its own generator, such as some of Albumentations.

    Required Keys:

    - sample_idx (DrawIndex)
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Seeds the generators; the results are returned unchanged.

        Raises:
            InputError: The index carries no epoch, because another sampler drew it.
        """
        index = results.get('sample_idx')
        if not isinstance(index, DrawIndex):
            raise InputError(
                f'train_dataloader: SeedDraws got the plain index {index!r}, which carries no epoch; '
                "use sampler=dict(type='SeededSampler'), or leave SeedDraws out of the pipeline"
            )
        words = np.random.SeedSequence(index.seed, spawn_key=(index.epoch, index.drawn)).generate_state(8)
        random.seed(int(words[0]) << 32 | int(words[1]))
        np.random.seed(words[2:6])
        # Not torch.manual_seed, which also seeds the accelerators' generators: those belong to the model.
        torch.default_generator.manual_seed(int(words[6]) << 31 | int(words[7]) >> 1)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


class StableDraws:
    """Random integers that depend only on (seed, key), on every machine and with every version of numpy.

    They come from PCG64's raw words, which numpy guarantees to keep; the methods of its Generator may change.

    Args:
        seed: 0 or more.
        key: Integers, 0 or more, that identify the purpose of the draws.
    """

    _NORMAL = np.array([round(256 * NormalDist().inv_cdf((i + 0.5) / 256)) for i in range(256)], np.int16)

    def __init__(self, seed: int, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))

    def one(self, low: int, high: int) -> int:
        """Draws an integer from low to high, both included."""
        return low + ((high - low + 1) * (self._bits.random_raw() >> 33) >> 31)

    def many(self, low: int, high: int, *shape: int) -> np.ndarray:
        """Draws an int32 array of integers from low to high, both included."""
        words = (self._bits.random_raw(math.prod(shape)) >> np.uint64(33)).astype(np.int64)
        return (low + (words * (high - low + 1) >> 31)).astype(np.int32).reshape(shape)

    def grain(self, *shape: int) -> np.ndarray:
        """Draws an int16 array, normally distributed in 256 steps, mean 0, standard deviation 256."""
        words = self._bits.random_raw(-(-math.prod(shape) // 8)).astype('<u8')
        return self._NORMAL[words.view(np.uint8)[: math.prod(shape)]].reshape(shape)
