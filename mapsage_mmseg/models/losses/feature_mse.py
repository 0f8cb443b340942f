"""Mean squared error between the student feature, after its connector, and the normalised teacher feature."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from .masking import masked_mean, resize_mask, under_mask


def feature_mse(student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error on the teacher's grid, in float32.

    The teacher's feature is normalised over the channels at each position, without affine parameters (Wei et al. 2022,
    arXiv:2205.14141): its scale differs by stem and layer and carries no knowledge.

    Args:
        student: (N, C, h, w), after its connector.
        teacher: (N, C, h', w').
        valid: (N, 1, H, W), 1 where the label counts.

    Returns:
        Non-negative scalar; 0 if the student equals the normalised teacher.
    """
    if student.shape[-2:] != teacher.shape[-2:]:
        student = F.interpolate(student, size=teacher.shape[-2:], mode='bilinear', align_corners=False)
    mask = resize_mask(valid, teacher.shape[-2:])
    teacher = normalise_feature(under_mask(teacher, mask))
    return masked_mean((under_mask(student.float(), mask) - teacher).square(), mask)


def normalise_feature(feature: Tensor, eps: float = 1e-6) -> Tensor:
    """Normalises (N, C, h, w) to zero mean and unit variance over the channels at each position, in float32."""
    last = feature.float().permute(0, 2, 3, 1)
    return F.layer_norm(last, last.shape[-1:], eps=eps).permute(0, 3, 1, 2)


@MODELS.register_module()
class FeatureMSELoss(nn.Module):
    """Module form of :func:`feature_mse`."""

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return feature_mse(student, teacher, valid)
