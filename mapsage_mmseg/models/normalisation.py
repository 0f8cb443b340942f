"""Normalisation of a data preprocessor, in a comparable form."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def normalisation(preprocessor: nn.Module | None) -> dict[str, Any] | None:
    """Returns ``mean`` and ``std`` (per channel, in 0..255, or None) and ``bgr_to_rgb`` of a preprocessor.

    Returns None if a model has no preprocessor of its own, and takes images as its wrapper normalises them.
    """
    if preprocessor is None or type(preprocessor) is BaseDataPreprocessor:
        return None
    found: dict[str, Any] = {}
    for name in ('mean', 'std'):
        values = getattr(preprocessor, name, None)
        found[name] = None if values is None else as_written(values.flatten().tolist())
    swaps = (getattr(preprocessor, name, False) for name in ('channel_conversion', '_channel_conversion'))
    return {**found, 'bgr_to_rgb': any(swaps)}


def as_written(values: Iterable[float]) -> list[float]:
    """Rounds numbers to six significant digits, which removes the rounding errors of float32."""
    return [float(f'{value:.6g}') for value in values]


def channels(preprocessor: nn.Module | None) -> int:
    """Returns the number of image channels that a data preprocessor normalises; 3 if it has no mean."""
    mean = getattr(preprocessor, 'mean', None)
    return 3 if mean is None else mean.numel()


def to_own(
    input_mean: Sequence[float] | None,
    input_std: Sequence[float] | None,
    mean: Sequence[float],
    std: Sequence[float],
    bands: int = 3,
) -> tuple[Tensor, Tensor, dict[str, list[float]] | None]:
    """Computes the transform from the input's normalisation to a pretrained module's own, of RGB in 0..255.

    Args:
        input_mean, input_std: Mean and std of the data preprocessor. None for images that are normalised by the
            statistics of their own bands, which have no meaning in 0..255; they are treated as if normalised by
            ImageNet's.
        mean, std: Mean and std of the module.
        bands: Bands of the images; if not three, each gets the average of red, green and blue.

    Returns:
        ``scale`` and ``shift`` (1, B, 1, 1), to be applied in this order, and the normalisation that they undo; None if
        it is not known.
    """
    known = input_mean is not None and input_std is not None
    given = (input_mean, input_std) if known else (IMAGENET_MEAN, IMAGENET_STD)
    theirs, spread = (torch.tensor(values, dtype=torch.float32) for values in given)
    own, width = torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)
    scale, shift = spread / width, (theirs - own) / width
    undone = dict(mean=as_written(theirs.tolist()), std=as_written(spread.tolist())) if known else None
    if bands != 3:
        scale, shift = (each.mean().repeat(bands) for each in (scale, shift))
    return scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1), undone


def difference(mine: Mapping[str, Any] | None, its: Mapping[str, Any] | None) -> str | None:
    """Returns the first key (``mean``, ``std``, ``bgr_to_rgb``) in which two normalisations differ; None if none does,
    or if one is not known."""
    if mine is None or its is None:
        return None
    return next((name for name in mine if mine[name] != its.get(name)), None)
