"""Kullback-Leibler divergence between the similarities of an image's patches, student against teacher."""

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from .masking import masked_mean, resize_mask, under_mask


def patch_similarity(
    student: Tensor, teacher: Tensor, valid: Tensor, temperature: float = 0.07, grid: int = 16
) -> Tensor:
    """KL(softmax(T T' / temperature) || softmax(S S' / temperature)) over the patches of each image, in float32.

    S and T are the patches' features, normalised to unit length. A patch's similarity to itself is always 1 and is left
    out. Only similarities are compared, so student and teacher may differ in channels and need no connector (Tung and
    Mori 2019, arXiv:1907.09682).

    Args:
        student: (N, C, h, w).
        teacher: (N, C', h', w').
        valid: (N, 1, H, W), 1 where the label counts; a patch counts if at least half of it does.
        temperature: Above 0.
        grid: Maximum number of patches along each side; finer maps are averaged to it.

    Returns:
        Non-negative scalar: mean over the patches that count.
    """
    size = min(grid, student.shape[-2], teacher.shape[-2]), min(grid, student.shape[-1], teacher.shape[-1])
    fine = resize_mask(valid, student.shape[-2:])
    mask = (F.adaptive_avg_pool2d(fine, size) >= 0.5).flatten(1).float()
    rows = [
        _log_rows(each, resize_mask(valid, each.shape[-2:]), mask, size, temperature) for each in (student, teacher)
    ]
    log_student, log_teacher = rows
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)
    alone = mask.sum(dim=1, keepdim=True) < 2  # a single patch has no other to be compared with
    return masked_mean(divergence, mask.masked_fill(alone, 0.0)).clamp_min(0)


def _log_rows(feature: Tensor, valid: Tensor, mask: Tensor, size: tuple[int, int], temperature: float) -> Tensor:
    """Returns the log-softmax of each patch's similarities to the other patches that count, (N, P, P); 0 for the
    rest."""
    counted = under_mask(feature.float(), resize_mask(valid, feature.shape[-2:]))
    pooled = F.adaptive_avg_pool2d(counted, size).flatten(2)
    tokens = F.normalize(under_mask(pooled, mask[:, None]), dim=1, eps=1e-6)
    similar = tokens.transpose(1, 2) @ tokens / temperature
    left_out = (mask[:, None, :] == 0) | torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    rows = similar.masked_fill(left_out, -1e4).log_softmax(dim=-1)
    return rows.masked_fill(left_out, 0.0)


@MODELS.register_module()
class PatchSimilarityLoss(nn.Module):
    """Module form of :func:`patch_similarity`. No :class:`TemperatureHook` changes its temperature ``tau``.

    Raises:
        InputError: ``tau`` is not above 0, or ``grid`` is below 2.
    """

    def __init__(self, tau: float = 0.07, grid: int = 16) -> None:
        super().__init__()
        if not tau > 0:
            raise InputError(f'PatchSimilarityLoss: tau={tau} must be above 0')
        if grid < 2:
            raise InputError(f'PatchSimilarityLoss: grid={grid} must be a whole number from 2')
        self.tau, self.grid = tau, grid

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return patch_similarity(student, teacher, valid, self.tau, self.grid)
