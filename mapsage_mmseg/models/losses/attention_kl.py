"""Kullback-Leibler divergence between self-attention rows."""

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from .masking import masked_mean, resize_mask, token_grid, under_mask


def overlap(fine: int, coarse: int, device: torch.device | str = 'cpu') -> Tensor:
    """Computes which fraction of each of ``fine`` equal cells lies in each of ``coarse`` equal cells of the same line.

    Returns:
        (coarse, fine), float32; each column sums to 1.
    """
    edges_fine = torch.arange(fine + 1, device=device, dtype=torch.float32) / fine
    edges_coarse = torch.arange(coarse + 1, device=device, dtype=torch.float32) / coarse
    low = torch.maximum(edges_fine[None, :-1], edges_coarse[:-1, None])
    high = torch.minimum(edges_fine[None, 1:], edges_coarse[1:, None])
    shared = (high - low).clamp_min(0) * fine
    return shared / shared.sum(dim=0, keepdim=True)


def pool_rows(rows: Tensor, source: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """Pools attention rows to another grid.

    Queries are averaged over a cell and keys are summed into it, so each row still sums to 1.

    Args:
        rows: (N, Ls, Ls) over the grid ``source`` (height, width).
        source, target: Grids (height, width) in tokens.

    Returns:
        (N, Lt, Lt) over the grid ``target``.
    """
    if source == target:
        return rows
    keys = torch.kron(overlap(source[0], target[0], rows.device), overlap(source[1], target[1], rows.device))
    queries = keys / keys.sum(dim=1, keepdim=True)
    return queries @ rows @ keys.T


def attention_kl(student: Tensor, teacher: Tensor, valid: Tensor, eps: float = 1e-6) -> Tensor:
    """KL(teacher rows || student rows), in float32, mean over the student's rows at valid positions.

    Args:
        student: (N, Ls, Ls) head-averaged attention over the student's token grid.
        teacher: (N, Lt, Lt), pooled to the student's grid.
        valid: (N, 1, H, W), 1 where the label counts; its shape also gives the image's aspect ratio.
        eps: Lower bound of a probability before its logarithm.

    Returns:
        Non-negative scalar.
    """
    image = (valid.shape[-2], valid.shape[-1])
    grid = token_grid(student.shape[-1], image)
    teacher = pool_rows(teacher.float(), token_grid(teacher.shape[-1], image), grid)
    # _log_rows renormalises: rows do not sum to one in bfloat16 (autocast), nor after dropout on the attention map.
    mask = resize_mask(valid, grid).flatten(1)
    log_student, log_teacher = (
        _log_rows(under_mask(rows, mask[..., None]), eps) for rows in (student.float(), teacher)
    )
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)
    return masked_mean(divergence, mask).clamp_min(0)


def _log_rows(rows: Tensor, eps: float) -> Tensor:
    rows = rows.clamp_min(eps)
    return (rows / rows.sum(dim=-1, keepdim=True)).log()


@MODELS.register_module()
class AttentionKLLoss(nn.Module):
    """Module form of :func:`attention_kl`."""

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return attention_kl(student, teacher, valid)
