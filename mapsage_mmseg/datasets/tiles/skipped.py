"""Images that could not be read during a run."""

import math

import numpy as np
import torch
from mmengine.dist import all_reduce, get_world_size

from ...errors import InputError


class SkippedImages:
    """Set of the skipped images of a data set, in memory that the training process shares with its workers.

    Args:
        images: Number of images in the data set.
        share: Share of them that may be skipped, 0 to 1; the number is rounded up, and at least one image must remain.
        apart: Boolean per image. The share applies separately to the images where it is true; None is a single group.

    Raises:
        InputError: The share is not between 0 and 1.
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
        """Marks an image as skipped."""
        self._flags[index] = True

    def beyond(self) -> list[tuple[int, int, int]]:
        """Returns (skipped, images, allowed) for each group in which more images are skipped than allowed."""
        counts = [(int((self._flags & group).sum()), int(group.sum())) for group in self._groups]
        return [(*count, allowed) for count, allowed in zip(counts, self._allowed, strict=True) if count[0] > allowed]

    def gather(self) -> None:
        """Adds the skipped images of the other processes; every process must call it."""
        if get_world_size() > 1:
            flags = self._flags.int()
            all_reduce(flags, 'max')
            self._flags[flags.bool()] = True  # only sets flags, because a worker may be adding one

    def indices(self) -> list[int]:
        """Returns the indices of the skipped images, in order."""
        return self._flags.nonzero().flatten().tolist()
