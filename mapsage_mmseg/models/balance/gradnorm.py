"""Weights that hold the gradients' norms in proportion (GradNorm; Chen et al. 2018, arXiv:1711.02257)."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError
from .informative import informative, mean_over_processes, stacked


@MODELS.register_module()
class GradNormBalance(nn.Module):
    """effective weight_i such that its term's gradient norm G_i at the last shared layer goes as w_i * r_i ** alpha.

    r_i is the relative inverse training rate (section 3.1): L_i over its value when the present set of terms was first
    measured, over the mean of that over the terms; a term that has fallen less than the others gets more gradient. The
    paper's targets are alike but for r_i; here the declared weights w_i scale them, and are where it begins.

    The paper descends on sum |G_i - target_i|, at a step that depends on the terms' scale. As each target is met at a
    weight that can be written down, proportional to w_i * r_i ** alpha / norm_i, this goes a share ``rate`` of the way
    there, in logarithms, whatever the scales. As in the paper the weights keep their sum, that of the declared ones. A
    term without a gradient or a finite value above 0 keeps its weight. The state is in the checkpoint.

    Args:
        terms: Every term.
        alpha: From 0 (norms as declared, however fast terms train); the paper's 1.5 suits terms of unlike difficulty.
        rate: Share of the way that a measurement goes, above 0 to 1.
        interval: Steps between two measurements, which cost about a quarter of a step each: 10 is 2.5 % of a run.
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
        self.register_buffer('initial', torch.zeros(len(self.terms)))  # 0 where not known
        self.register_buffer('active', torch.zeros(len(self.terms), dtype=torch.bool))  # when last measured
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self._steps = 0  # the same on the host: asking the device would wait for it

    @property
    def due(self) -> bool:
        """Whether the next step is to be measured."""
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
        # Rates are compared from one moment on: a term that trained before the others would seem the fastest.
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
