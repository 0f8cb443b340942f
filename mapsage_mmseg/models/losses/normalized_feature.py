"""Distance between the directions of the student feature, after its connector, and the teacher feature."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from .masking import masked_mean, resize_mask, under_mask


def normalized_feature(student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
    """||s / |s| - t / |t|||^2 at each position, which is 2 - 2 cos of their angle; in float32, mean over the valid
    positions.

    The length of a feature differs by network and layer, and is ignored (Heo et al. 2019, arXiv:1904.01866;
    Mansourian et al. 2024, AttnFD, arXiv:2403.05451).

    Args:
        student: (N, C, h, w), after its connector.
        teacher: (N, C, h', w'); the student is resized to its grid.
        valid: (N, 1, H, W), 1 where the label counts.

    Returns:
        Scalar from 0 (same direction) to 4 (opposite direction).
    """
    if student.shape[-2:] != teacher.shape[-2:]:
        student = F.interpolate(student, size=teacher.shape[-2:], mode='bilinear', align_corners=False)
    mask = resize_mask(valid, teacher.shape[-2:])
    mine, its = (F.normalize(under_mask(each.float(), mask), dim=1, eps=1e-6) for each in (student, teacher))
    return masked_mean((mine - its).square().sum(dim=1, keepdim=True), mask)


@MODELS.register_module()
class NormalizedFeatureLoss(nn.Module):
    """Module form of :func:`normalized_feature`."""

    def forward(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        return normalized_feature(student, teacher, valid)
