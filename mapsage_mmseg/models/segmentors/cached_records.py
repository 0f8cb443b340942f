"""Cached outputs of the teacher, cropped by the data pipeline; they replace its forward."""

from collections.abc import Mapping, Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from ...errors import InputError


def cached_records(
    samples: Sequence[SegDataSample], strides: Mapping[str, int], size: Sequence[int]
) -> dict[str, Tensor]:
    """Batches the samples' ``teacher_maps``.

    Args:
        samples: Each with maps (C, h, w) by source; they are smaller if the image was padded to the batch's size.
        strides: Stride in pixels, by source.
        size: Height and width of the batch's images in pixels.

    Returns:
        (N, C, ceil(height / stride), ceil(width / stride)) by source. Maps are padded by repeating their edge; labels
        are ignored there.

    Raises:
        InputError: The samples have no maps.
    """
    if any('teacher_maps' not in sample for sample in samples):
        raise InputError('the training batch carries no teacher_maps: TeacherHook puts them into its pipeline')
    found = {}
    for source, stride in strides.items():
        height, width = (-(-side // stride) for side in size)
        maps = (sample.teacher_maps.get(source) for sample in samples)
        found[source] = torch.stack([_pad(values, height, width) for values in maps])
    return found


def _pad(values: Tensor, height: int, width: int) -> Tensor:
    down, over = height - values.shape[-2], width - values.shape[-1]
    return F.pad(values, (0, over, 0, down), mode='replicate') if down or over else values
