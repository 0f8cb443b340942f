"""Selection of the loss values that a balance uses, the same on every process."""

from collections.abc import Iterable, Mapping

import torch
from mmengine.dist import all_reduce
from torch import Tensor


def informative(values: Tensor) -> Tensor:
    """Returns which values are finite and above 0. A batch that is ignored entirely gives a term of exactly 0."""
    return torch.isfinite(values) & (values > 0)


def stacked(values: Mapping[str, Tensor], names: Iterable[str], like: Tensor) -> Tensor:
    """Returns detached values in the order of ``names``, 0 if absent: (T,), with dtype and device of ``like``."""
    zero = like.new_zeros(())
    return torch.stack([values[name].detach().to(like.dtype) if name in values else zero for name in names])


def mean_over_processes(values: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Averages each value over the processes that count it, with one collective (none without a launcher).

    Args:
        values: (..., T).
        counted: (T,), bool.

    Returns:
        The means (..., T), and whether any process counts a value, (T,).
    """
    sums = torch.cat([torch.where(counted, values, 0.0).reshape(-1, len(counted)), counted.to(values.dtype)[None]])
    all_reduce(sums)
    return (sums[:-1] / sums[-1].clamp_min(1)).reshape(values.shape), sums[-1] > 0
