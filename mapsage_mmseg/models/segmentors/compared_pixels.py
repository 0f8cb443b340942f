"""Masks of the pixels that the levels compare."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

PLACES = ('labelled', 'unlabelled', 'everywhere')


def compared_pixels(data_samples: Sequence[Any], where: str, ignored: int, unlabelled: int | None) -> Tensor:
    """Returns the mask of the pixels that the levels compare, (N, 1, H, W) in float, 1 or 0.

    Padding is never compared: the labels mark it if ``unlabelled`` tells it apart; otherwise everything outside an
    image's own size counts as padding.

    Args:
        data_samples: The samples of a batch, with ``gt_sem_seg`` (1, H, W).
        where: One of ``PLACES``.
        ignored: Label of pixels that the task ignores.
        unlabelled: Label of pixels that show something and have no label; None if the data set does not mark them.
    """
    labels = torch.stack([sample.gt_sem_seg.data for sample in data_samples])
    labelled = labels != ignored
    if unlabelled is not None:
        shown, labelled = labelled, labelled & (labels != unlabelled)
    if where == 'labelled':
        return labelled.float()
    if unlabelled is None:
        shown = torch.zeros_like(labelled)
        for image, sample in zip(shown, data_samples, strict=True):
            height, width = sample.metainfo.get('img_shape', image.shape[-2:])
            image[:, :height, :width] = True
    return (shown if where == 'everywhere' else shown & ~labelled).float()
