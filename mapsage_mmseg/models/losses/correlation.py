"""Correlation between the student's and the teacher's probabilities, between and within classes."""

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from .masking import masked_mean, resize_mask, two_class_form, under_mask

EPS = 1e-8


def correlation(
    student: Tensor, teacher: Tensor, valid: Tensor, tau: float = 1.0, between: float = 1.0, within: float = 1.0
) -> Tensor:
    """tau^2 * (between * (1 - r_pixel) + within * (1 - r_class)), in float32 (DIST, Huang et al. 2022,
    arXiv:2205.10536).

    r_pixel is Pearson's correlation of the class probabilities at a pixel, mean over the valid pixels. r_class is the
    correlation of a class's probabilities over the valid pixels of an image, mean over images and classes; an image
    needs two valid pixels to count.

    Args:
        student: Logits (N, C, h, w).
        teacher: Logits (N, C, h', w'), resized to the student's grid.
        valid: (N, 1, H, W), 1 where the label counts.
        tau: Temperature, above 0.
        between, within: Weights, at least 0.

    Returns:
        Non-negative scalar.
    """
    student, teacher = two_class_form(student), two_class_form(teacher)
    if teacher.shape[-2:] != student.shape[-2:]:
        teacher = F.interpolate(teacher, size=student.shape[-2:], mode='bilinear', align_corners=False)
    mask = resize_mask(valid, student.shape[-2:])
    mine, its = ((under_mask(each.float(), mask) / tau).softmax(dim=1) for each in (student, teacher))
    pixels = 1 - _pearson(mine.flatten(2), its.flatten(2), torch.ones_like(mine[:, :1]).flatten(2), dim=1)
    classes = 1 - _pearson(mine.flatten(2), its.flatten(2), mask.flatten(2), dim=2)
    known = (mask.flatten(2).sum(dim=2) > 1).float()  # (N, 1): one pixel has no correlation
    total = between * masked_mean(pixels, mask.flatten(1)) + within * masked_mean(classes, known)
    return (tau**2 * total).clamp_min(0)


def _pearson(one: Tensor, other: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Pearson's correlation along ``dim`` of (N, C, P), where ``weights`` (N, 1, P) are 1; it is 1 if both are
    constant."""
    count = weights.expand_as(one).sum(dim=dim, keepdim=True).clamp_min(1)
    first, second = ((each - (each * weights).sum(dim=dim, keepdim=True) / count) * weights for each in (one, other))
    product = (first * second).sum(dim=dim) + EPS
    # EPS goes inside the root, whose slope at 0 is infinite
    return product / ((first.square().sum(dim=dim) + EPS) * (second.square().sum(dim=dim) + EPS)).sqrt()


@MODELS.register_module()
class CorrelationLoss(nn.Module):
    """Module form of :func:`correlation`.

    Raises:
        InputError: ``tau`` is not above 0, a weight is negative, or both weights are 0.
    """

    def __init__(self, tau: float = 1.0, between: float = 1.0, within: float = 1.0) -> None:
        super().__init__()
        if not tau > 0:
            raise InputError(f'CorrelationLoss: tau={tau} must be above 0')
        if min(between, within) < 0 or between + within == 0:
            raise InputError(f'CorrelationLoss: between={between}, within={within} must be from 0, one above it')
        self.tau, self.between, self.within = tau, between, within

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return correlation(student, teacher, valid, self.tau, self.between, self.within)
