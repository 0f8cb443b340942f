"""Activation-based attention transfer, for students without self-attention."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from .masking import resize_mask, under_mask


def activation_attention(student: Tensor, teacher: Tensor, valid: Tensor, eps: float = 1e-6) -> Tensor:
    """Squared distance of L2-normalised activation maps (Zagoruyko & Komodakis 2017, arXiv:1612.03928, eq. 2, p = 2).

    A map is the mean of squared activations over channels, masked, then divided by its L2 norm over positions. So the
    distance is in [0, 2] for any grid.

    Args:
        student: (N, C, h, w).
        teacher: (N, C', h', w'); its map is resized to the student's grid.
        valid: (N, 1, H, W), 1 where the label counts.

    Returns:
        Scalar: mean over the images that have a valid pixel.
    """
    size = (student.shape[-2], student.shape[-1])
    mask = resize_mask(valid, size)
    student = under_mask(student.float(), mask).square().mean(dim=1, keepdim=True)
    teacher = teacher.float().square().mean(dim=1, keepdim=True)
    if teacher.shape[-2:] != size:
        teacher = F.interpolate(teacher, size=size, mode='bilinear', align_corners=False)
    maps = [F.normalize(under_mask(x, mask).flatten(1), dim=1, eps=eps) for x in (student, teacher)]
    distance = (maps[0] - maps[1]).square().sum(dim=1)
    images = mask.flatten(1).amax(dim=1)
    return (distance * images).sum() / images.sum().clamp_min(1)


@MODELS.register_module()
class ActivationAttentionLoss(nn.Module):
    """Module form of :func:`activation_attention`."""

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return activation_attention(student, teacher, valid)
