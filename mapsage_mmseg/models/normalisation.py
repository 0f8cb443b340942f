"""What a data preprocessor does to pixels, so that two of them can be compared."""

from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.model import BaseDataPreprocessor
from torch import nn


def normalisation(preprocessor: nn.Module | None) -> dict[str, Any] | None:
    """``mean`` and ``std`` (per channel, in 0..255, or None) and ``bgr_to_rgb``; None where a model has no preprocessor
    of its own, and takes images as whoever wraps it normalises them."""
    if preprocessor is None or type(preprocessor) is BaseDataPreprocessor:
        return None
    found: dict[str, Any] = {}
    for name in ('mean', 'std'):
        values = getattr(preprocessor, name, None)
        found[name] = None if values is None else as_written(values.flatten().tolist())
    swaps = (getattr(preprocessor, name, False) for name in ('channel_conversion', '_channel_conversion'))
    return {**found, 'bgr_to_rgb': any(swaps)}


def as_written(values: Iterable[float]) -> list[float]:
    """Numbers as people write them, which float32 blurs."""
    return [float(f'{value:.6g}') for value in values]


def difference(mine: Mapping[str, Any] | None, its: Mapping[str, Any] | None) -> str | None:
    """The first of the names above under which two differ; None where they do not, or one is not known."""
    if mine is None or its is None:
        return None
    return next((name for name in mine if mine[name] != its.get(name)), None)
