"""Kullback-Leibler divergence of the student's logits from the teacher's."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from .fused_kl import fused_kl
from .masking import resize_mask, two_class_form


def logit_kl(student: Tensor, teacher: Tensor, valid: Tensor, temperature: float, reduction: str = 'mean') -> Tensor:
    """T^2 * KL(softmax(teacher/T) || softmax(student/T)), in float32 (Hinton et al. 2015, arXiv:1503.02531).

    Args:
        student: Logits (N, C, h, w), or (N, 1, h, w) of a head with one sigmoid channel.
        teacher: Logits (N, C, h', w'), or (N, 1, h', w'), resized to the student's grid.
        valid: (N, 1, H, W), 1 where the label counts.
        temperature: T > 0.
        reduction: ``'mean'`` averages over valid pixels. ``'batchmean'`` sums over pixels and divides by N only, which
            makes the term thousands of times larger than the task loss; it exists to demonstrate that fault.

    Returns:
        Non-negative scalar.
    """
    student, teacher = two_class_form(student), two_class_form(teacher)
    if teacher.shape[-2:] != student.shape[-2:]:
        teacher = F.interpolate(teacher, size=student.shape[-2:], mode='bilinear', align_corners=False)
    mask = resize_mask(valid, student.shape[-2:])
    count = student.shape[0] if reduction == 'batchmean' else mask.sum().clamp_min(1)
    # Rounding can make the sum slightly negative if the two agree.
    return (temperature**2 * fused_kl(student, teacher, mask, temperature) / count).clamp_min(0)


@MODELS.register_module()
class LogitKLLoss(nn.Module):
    """Module form of :func:`logit_kl`.

    Args:
        temperature: Initial T > 0; a :class:`TemperatureHook` updates it from its schedule.
        reduction: ``'mean'`` or ``'batchmean'``.

    Raises:
        InputError: A value is not one of these.
    """

    def __init__(self, temperature: float = 4.0, reduction: str = 'mean') -> None:
        super().__init__()
        if temperature <= 0:
            raise InputError(f'LogitKLLoss: temperature={temperature} must be above 0')
        if reduction not in ('mean', 'batchmean'):
            raise InputError(f"LogitKLLoss: reduction={reduction!r} must be 'mean' or 'batchmean'")
        self.temperature = temperature
        self.reduction = reduction

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return logit_kl(student, teacher, valid, self.temperature, self.reduction)
