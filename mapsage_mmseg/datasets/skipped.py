"""Images that could not be read while a run went on."""

import math

import torch
from mmengine.dist import all_reduce, get_world_size

from ..errors import InputError


class SkippedImages:
    """Which images of a data set were skipped: known to the process that trains and to the workers that read alike.

    Args:
        images: In the data set.
        share: Of them that may be skipped, from 0 to 1; their number is rounded up, and one image is left.

    Raises:
        InputError: The share is none.
    """

    def __init__(self, images: int, share: float) -> None:
        if not 0.0 <= share <= 1.0:
            raise InputError(f'dataset.max_unreadable={share} is a share of the images, from 0 to 1')
        self.allowed = max(0, min(math.ceil(share * images), images - 1))
        self._flags = torch.zeros(images, dtype=torch.bool).share_memory_()

    def __contains__(self, index: int) -> bool:
        return bool(self._flags[index])

    def add(self, index: int) -> int:
        """Adds one; returns how many there are now."""
        self._flags[index] = True
        return int(self._flags.sum())

    def gather(self) -> None:
        """Adds those of the other processes, all of which ask."""
        if get_world_size() > 1:
            flags = self._flags.int()
            all_reduce(flags, 'max')
            self._flags[flags.bool()] = True  # a worker may be adding one: nothing is taken back

    def indices(self) -> list[int]:
        """In order."""
        return self._flags.nonzero().flatten().tolist()
