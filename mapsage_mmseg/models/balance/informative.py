"""Checks that a step informs about its loss terms, the same on every process."""

from collections.abc import Iterable, Mapping

import torch
from mmengine.dist import all_reduce
from torch import Tensor


def informative(values: Tensor) -> Tensor:
    """Which values say something: finite and above 0. An all-ignored batch gives a term that is exactly 0."""
    return torch.isfinite(values) & (values > 0)


def stacked(values: Mapping[str, Tensor], names: Iterable[str], like: Tensor) -> Tensor:
    """Detached values in the order of ``names``, 0 for those that are absent; (T,), dtype and device of ``like``."""
    zero = like.new_zeros(())
    return torch.stack([values[name].detach().to(like.dtype) if name in values else zero for name in names])


def mean_over_processes(values: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the processes that count a value, and whether any does; one collective, and none without a launcher.

    Args:
        values: (..., T).
        counted: (T,), bool.
    """
    sums = torch.cat([torch.where(counted, values, 0.0).reshape(-1, len(counted)), counted.to(values.dtype)[None]])
    all_reduce(sums)
    return (sums[:-1] / sums[-1].clamp_min(1)).reshape(values.shape), sums[-1] > 0
