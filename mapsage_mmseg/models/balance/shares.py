"""Declared weights as shares of the loss: every term is divided by its own running mean."""

from collections.abc import Iterable, Mapping

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError
from .informative import informative, mean_over_processes, stacked

SMALLEST = 1e-12  # lower bound of a running mean, which is a divisor


@MODELS.register_module()
class SharesBalance(nn.Module):
    """effective weight_i = w_i * mean(task) / mean(L_i), with exponential running means.

    This scales every term to the size of the task before it is weighted, so w_i / sum(w) is its share of the total,
    whatever its own scale. The task keeps its declared weight and the total keeps the scale of a task loss, so the same
    learning rate applies. The gradient is then that of the sum of w_i * log(L_i): a term that can get close to 0 (a
    teacher that is easy to copy) is pushed ever harder, at the cost of the others.

    The means are bias-corrected (Kingma & Ba 2015, arXiv:1412.6980, section 3) and include the current step. The mean
    of a term starts when the term first appears. A step in which a term is 0, negative or non-finite is left out of its
    mean. Until a term (or the task) has a mean, the declared weight applies. The buffers are saved in the checkpoint.

    Args:
        terms: Every term, including ``task``.
        momentum: Fraction of the mean that a step keeps, in [0, 1): 0.95 averages over about 20 steps.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, terms: Iterable[str], momentum: float = 0.95) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise InputError(f'model.balance.momentum={momentum!r} must be a number from 0 to below 1')
        self.terms, self.momentum = tuple(terms), momentum
        self.register_buffer('sums', torch.zeros(len(self.terms)))
        self.register_buffer('counts', torch.zeros(len(self.terms)))  # steps, discounted like the sums

    @torch.no_grad()
    def forward(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], gram: Tensor | None = None
    ) -> tuple[dict[str, Tensor], None]:
        """See :func:`~mapsage_mmseg.models.balance.build_balance`."""
        values = stacked(terms, self.terms, self.sums)
        values, counted = mean_over_processes(values, informative(values))
        for mean, value in ((self.sums, values), (self.counts, torch.ones_like(values))):
            mean.copy_(torch.where(counted, mean.lerp(value, 1 - self.momentum), mean))
        means = (self.sums / self.counts).clamp_min(SMALLEST)  # NaN if there is none yet
        factors = torch.nan_to_num(means[self.terms.index('task')] / means, nan=1.0)
        return {name: weights.get(name, 0.0) * factors[self.terms.index(name)] for name in terms}, None
