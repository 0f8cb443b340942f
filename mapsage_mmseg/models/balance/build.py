"""Construction of ``model.balance``."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from mmseg.registry import MODELS
from torch import nn

from ...errors import InputError

NAMES = dict(shares='SharesBalance', uncertainty='UncertaintyBalance', gradnorm='GradNormBalance')


def build_balance(config: str | Mapping[str, Any] | None, terms: Iterable[str]) -> nn.Module | None:
    """Builds the module that adapts the weights of the loss terms; None if the weights are fixed.

    A balance is a module with ``forward(terms, weights, gram)``. It takes the unweighted terms of a step, their
    declared weights and, in some steps, the Gram matrix of their gradients. It returns the effective weight of each
    term, and a penalty that is added to the total, or None. If it needs the Gram matrix in the next step, its ``due``
    is true.

    Args:
        config: None, one of :data:`NAMES`, or a dict with a type (one of these, or a registered class) and its
            settings.
        terms: Every term of the model, ``task`` first.

    Raises:
        InputError: The name is unknown, or the method has no such setting.
    """
    if config is None:
        return None
    settings = dict(config) if isinstance(config, Mapping) else dict(type=config)
    name = settings.get('type')
    kind = NAMES.get(name, name) if isinstance(name, str) else None
    if kind is None or MODELS.get(kind) is None:
        near = get_close_matches(str(name), NAMES, 1, cutoff=0.5)
        raise InputError(
            f'model.balance={name!r} is unknown; '
            + (f'did you mean {near[0]!r}? ' if near else '')
            + f'valid: None, {", ".join(map(repr, NAMES))}, or a dict with one of them as type'
        )
    try:
        return MODELS.build(dict(settings, type=kind, terms=tuple(terms)))
    except TypeError as error:
        raise InputError(f'model.balance={config!r}: {error}') from error
