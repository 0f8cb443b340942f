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
    These differ by a factor on the whole and by log 2 in the best s, that is by constants that a declared weight
    carries as well: so there is one form for every term. At a fixed L the best s is log L, where the weighted term is
    w_i: the declared weights are the shares that it tends to, with what that entails (see :class:`SharesBalance`). It
    begins at s = 0, the declared weights themselves.

    The total can be negative. A step in which a term is 0, negative or not finite gives its s no gradient. The
    optimizer moves s (``balance`` in configs/_base_/schedules/25e_adamw.py: no decay, its own rate), and a norm that
    the gradient is clipped to includes it.

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
