"""Weights that keep the terms' gradient norms in proportion (GradNorm; Chen et al. 2018, arXiv:1711.02257)."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError
from .informative import informative, mean_over_processes, stacked


@MODELS.register_module()
class GradNormBalance(nn.Module):
    """Chooses weight_i so that the gradient norm G_i of term i at the last shared layer is proportional to
    w_i * r_i ** alpha.

    r_i is the relative inverse training rate (section 3.1): the ratio of L_i to its value when the present set of terms
    was first measured, divided by the mean of that ratio over the terms. A term that has fallen less than the others
    gets more gradient. In the paper all targets are equal up to r_i; here the declared weights w_i scale them, and are
    the initial weights.

    The paper minimises sum |G_i - target_i| by gradient descent, with a step that depends on the terms' scale. But the
    weight that meets each target is known: it is proportional to w_i * r_i ** alpha / norm_i. So each measurement moves
    the logarithm of the weight a fraction ``rate`` of the way there, whatever the scales. As in the paper, the sum of
    the weights stays that of the declared ones. A term keeps its weight if it has no gradient or is not a finite value
    above 0. The state is saved in the checkpoint.

    Args:
        terms: Every term.
        alpha: Exponent of r_i, at least 0. 0 keeps the declared proportions, however fast terms train; the paper's 1.5
            suits terms of different difficulty.
        rate: Fraction of the way to the target weight that one measurement moves, in (0, 1].
        interval: Steps between two measurements. One costs about a quarter of a step, so 10 adds 2.5 % to a run.
    """

    factors: Tensor
    initial: Tensor
    active: Tensor
    steps: Tensor

    def __init__(self, terms: Iterable[str], alpha: float = 1.5, rate: float = 0.25, interval: int = 10) -> None:
        super().__init__()
        if alpha < 0:
            raise InputError(f'model.balance.alpha={alpha!r} must be a number from 0')
        if not 0 < rate <= 1:
            raise InputError(f'model.balance.rate={rate!r} must be a number above 0, at most 1')
        if not isinstance(interval, int) or interval < 1:
            raise InputError(f'model.balance.interval={interval!r} must be a whole number from 1')
        self.terms, self.alpha, self.rate, self.interval = tuple(terms), alpha, rate, interval
        self.register_buffer('factors', torch.ones(len(self.terms)))  # on the declared weights
        self.register_buffer('initial', torch.zeros(len(self.terms)))  # 0 if not known
        self.register_buffer('active', torch.zeros(len(self.terms), dtype=torch.bool))  # at the last measurement
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self._steps = 0  # the same on the host: reading it from the device would synchronise

    @property
    def due(self) -> bool:
        """Whether the next step must be measured."""
        return self._steps % self.interval == 0

    @torch.no_grad()
    def forward(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], gram: Tensor | None = None
    ) -> tuple[dict[str, Tensor], None]:
        """See :func:`~mapsage_mmseg.models.balance.build_balance`."""
        self._steps += 1
        self.steps.fill_(self._steps)
        declared = torch.stack([self.factors.new_full((), weights.get(name, 0.0)) for name in self.terms])
        if gram is not None:
            values = stacked(terms, self.terms, declared)
            norms = stacked(dict(zip(terms, gram.diagonal().sqrt(), strict=True)), self.terms, declared)
            self._update(values, norms, declared)
        effective = declared * self.factors
        effective = effective * (declared.sum() / effective.sum())
        return {name: effective[self.terms.index(name)] for name in terms}, None

    def _update(self, values: Tensor, norms: Tensor, declared: Tensor) -> None:
        active = declared > 0
        counted = informative(values) & informative(norms) & active
        (values, norms), counted = mean_over_processes(torch.stack([values, norms]), counted)
        # All rates count from the same step: a term that trained before the others would seem the fastest.
        known = torch.where((active != self.active).any(), 0.0, self.initial)
        self.initial.copy_(torch.where((known == 0) & counted, values, known))
        self.active.copy_(active)

        def total(parts: Tensor) -> Tensor:
            return torch.where(counted, parts, 0.0).sum()

        remaining = values / self.initial
        pace = (remaining / (total(remaining) / total(torch.ones_like(values)))) ** self.alpha
        factors = self.factors ** (1 - self.rate) * (pace / norms) ** self.rate
        factors = factors * (total(declared * self.factors) / total(declared * factors))
        self.factors.copy_(torch.where(counted, factors, self.factors))

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._steps = int(self.steps)
