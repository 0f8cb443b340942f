"""Images that could not be read while a run continued."""

import math

import numpy as np
import torch
from mmengine.dist import all_reduce, get_world_size

from ...errors import InputError


class SkippedImages:
    """Which images of a data set were skipped: known to the process that trains and to the workers that read alike.

    Args:
        images: In the data set.
        share: Of them that may be skipped, from 0 to 1; their number is rounded up, and one image is left.
        apart: Boolean, of each image: those where it is true have that share for themselves. None: all are alike.

    Raises:
        InputError: The share is none.
    """

    def __init__(self, images: int, share: float, apart: np.ndarray | None = None) -> None:
        if not 0.0 <= share <= 1.0:
            raise InputError(f'dataset.max_unreadable={share} is a share of the images, from 0 to 1')
        mask = torch.zeros(images, dtype=torch.bool) if apart is None else torch.from_numpy(apart)
        self._groups = [~mask, mask]
        self._allowed = [max(0, min(math.ceil(share * int(of.sum())), int(of.sum()) - 1)) for of in self._groups]
        self._flags = torch.zeros(images, dtype=torch.bool).share_memory_()

    def __contains__(self, index: int) -> bool:
        return bool(self._flags[index])

    def add(self, index: int) -> None:
        """Adds one."""
        self._flags[index] = True

    def beyond(self) -> list[tuple[int, int, int]]:
        """Where more are skipped than may be: how many they are, of how many, and how many may."""
        counts = [(int((self._flags & group).sum()), int(group.sum())) for group in self._groups]
        return [(*count, allowed) for count, allowed in zip(counts, self._allowed, strict=True) if count[0] > allowed]

    def gather(self) -> None:
        """Adds those of the other processes, all of which ask."""
        if get_world_size() > 1:
            flags = self._flags.int()
            all_reduce(flags, 'max')
            self._flags[flags.bool()] = True  # a worker may be adding one: nothing is taken back

    def indices(self) -> list[int]:
        """In order."""
        return self._flags.nonzero().flatten().tolist()
