"""Kullback-Leibler divergence between the spatial attention of channels, student against teacher."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from .masking import masked_mean, resize_mask, under_mask


def channel_wise_kl(student: Tensor, teacher: Tensor, valid: Tensor, tau: float = 1.0) -> Tensor:
    """tau^2 * KL(softmax(teacher / tau) || softmax(student / tau)) with the softmax over positions, in float32, mean
    over images and channels (Shu et al. 2021, CWD, arXiv:2011.13256). The softmax leaves out positions that do not
    count.

    Args:
        student: Logits or a feature (N, C, h, w).
        teacher: (N, C, h', w'), resized to the student's grid.
        valid: (N, 1, H, W), 1 where the label counts.
        tau: Temperature, above 0.

    Returns:
        Non-negative scalar.
    """
    if teacher.shape[-2:] != student.shape[-2:]:
        teacher = F.interpolate(teacher, size=student.shape[-2:], mode='bilinear', align_corners=False)
    mask = resize_mask(valid, student.shape[-2:])
    out = mask.flatten(2) == 0  # (N, 1, h * w)
    log_student, log_teacher = (
        (under_mask(each.float(), mask).flatten(2) / tau).masked_fill(out, -1e4).log_softmax(dim=-1)
        for each in (student, teacher)
    )
    divergence = (log_teacher.exp() * (log_teacher - log_student)).masked_fill(out, 0.0).sum(dim=-1)  # (N, C)
    return (tau**2 * masked_mean(divergence, (~out).any(dim=-1).float())).clamp_min(0)


@MODELS.register_module()
class ChannelWiseKLLoss(nn.Module):
    """Module form of :func:`channel_wise_kl`.

    Raises:
        InputError: ``tau`` is not above 0.
    """

    def __init__(self, tau: float = 1.0) -> None:
        super().__init__()
        if not tau > 0:
            raise InputError(f'ChannelWiseKLLoss: tau={tau} must be above 0')
        self.tau = tau

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return channel_wise_kl(student, teacher, valid, self.tau)
