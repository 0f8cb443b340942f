"""Sum of a Kullback-Leibler divergence over pixels, forward and backward in pieces, without storing probabilities."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PIECE = 2**18  # elements per piece on a CPU: fits its cache
PIECES = 32  # pieces of a large tensor on other devices, where a kernel launch costs more than a cache miss


class FusedKL(torch.autograd.Function):
    """sum over pixels of mask * KL(softmax(teacher/T) || softmax(student/T)), over the classes.

    Only the two logits are saved for backward, and they are in memory anyway. Backward recomputes the probabilities
    piece by piece and writes (p_s - p_t) / T into the gradient, the only tensor of that size that it allocates. Plain
    autograd saves or allocates six of them.
    """

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, mask: Tensor, temperature: float) -> Tensor:
        """See :func:`fused_kl`."""
        exact = torch.promote_types(student.dtype, torch.float32)
        total = torch.zeros((), dtype=exact, device=student.device)
        for piece in _pieces(student):
            log_s, log_t = (_scaled(z[piece], exact, temperature).log_softmax(dim=1) for z in (student, teacher))
            divergence = log_t.exp().mul_(log_t.sub_(log_s)).sum(dim=1, keepdim=True)
            # where, not a product: a non-finite value under the mask must not reach the sum as 0 * inf.
            total += (divergence * mask[piece]).where(mask[piece] > 0, 0.0).sum()
        ctx.save_for_backward(student, teacher, mask)
        ctx.temperature, ctx.exact = temperature, exact
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradient of the student's logits, in their dtype and memory format."""
        student, teacher, mask = ctx.saved_tensors
        gradient, scale = torch.empty_like(student), mask * (upstream / ctx.temperature)
        for piece in _pieces(student):
            p_s, p_t = (_scaled(z[piece], ctx.exact, ctx.temperature).softmax(dim=1) for z in (student, teacher))
            change = p_s.sub_(p_t).mul_(scale[piece])
            gradient[piece] = change.masked_fill_(mask[piece] <= 0, 0.0)
        return gradient, None, None, None


def fused_kl(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """sum over pixels of mask * KL(softmax(teacher/T) || softmax(student/T)).

    Args:
        student: Logits (N, C, h, w) of any float dtype and memory format; computed in float32, or in float64 for
            float64.
        teacher: Logits (N, C, h, w); they get no gradient.
        mask: (N, 1, h, w) in float, non-negative; pixels with 0 do not count, even if they are non-finite.
        temperature: T > 0.

    Returns:
        Scalar.
    """
    return FusedKL.apply(student, teacher, mask, temperature)


def _scaled(values: Tensor, dtype: torch.dtype, temperature: float) -> Tensor:
    return values.to(dtype) / temperature


def _pieces(logits: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Returns slices over images and rows, with about as many elements as a piece should have."""
    images, _, rows, _ = logits.shape
    most = PIECE if logits.device.type == 'cpu' else max(PIECE, logits.numel() // PIECES)
    image, row = logits[0].numel(), logits[0, :, :1].numel()
    if image <= most:
        step = max(1, most // max(image, 1))
        for first in range(0, images, step):
            yield slice(first, first + step), slice(None), slice(None)
    else:
        step = max(1, most // row)
        for index in range(images):
            for first in range(0, rows, step):
                yield slice(index, index + 1), slice(None), slice(first, first + step)
