"""Declared weights as shares of the loss: every term is divided by its own running mean."""

from collections.abc import Iterable, Mapping

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError
from .informative import informative, mean_over_processes, stacked

SMALLEST = 1e-12  # of a running mean that is divided by


@MODELS.register_module()
class SharesBalance(nn.Module):
    """effective weight_i = w_i * mean(task) / mean(L_i), with exponential running means.

    Every term is then of the task's size before it is weighed, so w_i / sum(w) is its share of the total, whatever its
    own scale. The task keeps its declared weight and the total the scale of a task loss, so the learning rate keeps its
    meaning. The gradient is then that of the sum of w_i * log(L_i): a term that can be brought near 0 (a teacher that a
    student copies easily) is asked for ever harder, at the others' cost.

    The means are bias-corrected (Kingma & Ba 2015, arXiv:1412.6980, section 3) and include the present step. That of a
    term begins when it first appears. A step in which a term is 0, negative or not finite does not enter its mean;
    until a term (or the task) has one, the declared weight holds. The buffers are in the checkpoint.

    Args:
        terms: Every term, ``task`` among them.
        momentum: Share of the mean that a step keeps, in [0, 1): 0.95 looks back about 20 steps.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, terms: Iterable[str], momentum: float = 0.95) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise InputError(f'model.balance.momentum={momentum!r} must be a number from 0 to below 1')
        self.terms, self.momentum = tuple(terms), momentum
        self.register_buffer('sums', torch.zeros(len(self.terms)))
        self.register_buffer('counts', torch.zeros(len(self.terms)))  # of steps, discounted as the sums are

    @torch.no_grad()
    def forward(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], gram: Tensor | None = None
    ) -> tuple[dict[str, Tensor], None]:
        """See :func:`~mapsage_mmseg.models.balance.build_balance`."""
        values = stacked(terms, self.terms, self.sums)
        values, counted = mean_over_processes(values, informative(values))
        for mean, value in ((self.sums, values), (self.counts, torch.ones_like(values))):
            mean.copy_(torch.where(counted, mean.lerp(value, 1 - self.momentum), mean))
        means = (self.sums / self.counts).clamp_min(SMALLEST)  # NaN where there is none yet
        factors = torch.nan_to_num(means[self.terms.index('task')] / means, nan=1.0)
        return {name: weights.get(name, 0.0) * factors[self.terms.index(name)] for name in terms}, None
