"""Masks of valid pixels, and means over them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def resize_mask(valid: Tensor, size: Sequence[int]) -> Tensor:
    """Resizes a mask by nearest neighbour.

    Args:
        valid: (N, 1, H, W) in float, 1 where the label counts and 0 where it is ignored.
        size: (h, w).

    Returns:
        (N, 1, h, w) in float.
    """
    if tuple(valid.shape[-2:]) == tuple(size):
        return valid
    return F.interpolate(valid, size=list(size), mode='nearest')


def two_class_form(logits: Tensor) -> Tensor:
    """Converts the logits of one sigmoid channel, (N, 1, H, W), to logits of two classes, (N, 2, H, W).

    softmax over (0, z) is (1 - s, s), where s = sigmoid(z) is the probability of class 1. Other logits are returned
    unchanged.
    """
    return torch.cat([torch.zeros_like(logits), logits], dim=1) if logits.shape[1] == 1 else logits


def under_mask(values: Tensor, weights: Tensor) -> Tensor:
    """Sets masked values to 0. Call it before any arithmetic: after it, an infinite value would give a NaN gradient.

    Args:
        values: Any shape, float.
        weights: Broadcastable to ``values``, 0 where a value does not count.
    """
    return values.where(weights > 0, 0.0)


def masked_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of ``values`` over the positions that count; exactly 0, with zero gradients, if none does.

    Args:
        values: Any shape, float.
        weights: Broadcastable to ``values``, 0 or 1.
    """
    # where, not a product: a non-finite value under the mask must not reach the sum as 0 * inf.
    total = values.where(weights > 0, 0.0).sum()
    each = values.numel() / max(weights.numel(), 1)  # values per weight
    return total / (weights.sum() * each).clamp_min(1)


def token_grid(length: int, image: tuple[int, int]) -> tuple[int, int]:
    """Returns height and width of the grid of ``length`` tokens over an image of size ``image`` (pixels).

    It is the factorisation of ``length`` whose aspect ratio is closest to the image's.

    Raises:
        ValueError: No grid of that many tokens is within a factor of two of the image's aspect ratio.
    """
    aspect = image[0] / image[1]
    grids = [(height, length // height) for height in range(1, length + 1) if length % height == 0]
    best = min(grids, key=lambda grid: max(grid[0] / grid[1] / aspect, aspect / (grid[0] / grid[1])))
    ratio = best[0] / best[1] / aspect
    if not 0.5 <= ratio <= 2:
        raise ValueError(f'{length} tokens do not tile an image of {image[0]} x {image[1]} pixels')
    return best
