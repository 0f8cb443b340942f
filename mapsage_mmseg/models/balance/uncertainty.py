"""Weights from learned variances (Kendall et al. 2018, arXiv:1705.07115)."""

from collections.abc import Iterable, Mapping

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from .informative import informative


@MODELS.register_module()
class UncertaintyBalance(nn.Module):
    """total = sum of w_i * (exp(-s_i) * L_i + s_i), with a learned log-variance s_i for each term.

    The paper has exp(-s) L / 2 + s / 2 for a regression (eq. 5) and exp(-s) L + s / 2 for a classification (eq. 10).
    The two differ by an overall factor and by log 2 in the optimal s. These are constants that the declared weight can
    absorb, so one form is used for every term. At a fixed L the optimal s is log L, where the weighted term is w_i: the
    terms' shares of the total tend to the declared weights (see :class:`SharesBalance` for the consequences). It starts
    at s = 0, which gives the declared weights themselves.

    The total can be negative. A step in which a term is 0, negative or non-finite gives no gradient to its s. The
    optimizer updates s (``balance`` in configs/_base_/schedules/25e_adamw.py: no weight decay, its own learning rate),
    and gradient clipping by norm includes it.

    Args:
        terms: Every term.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.log_variances = nn.Parameter(torch.zeros(len(self.terms)))

    def forward(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], gram: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """See :func:`~mapsage_mmseg.models.balance.build_balance`."""
        effective, penalty = {}, self.log_variances.new_zeros(())
        for name, value in terms.items():
            s = self.log_variances[self.terms.index(name)]
            s = torch.where(informative(value), s, s.detach())
            effective[name] = weights.get(name, 0.0) * torch.exp(-s)
            penalty = penalty + weights.get(name, 0.0) * s
        return effective, penalty
