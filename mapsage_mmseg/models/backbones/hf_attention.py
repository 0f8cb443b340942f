"""Self-attention of transformers' models, with rows for who listens.

transformers calls attention through a table of functions. Ours is its ``sdpa``, fast and without rows; before it, the
rows of a layer are worked out where somebody has hooked them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...errors import InputError

NAME = 'sdpa_with_rows'
LISTENER = '_rows_listener'
_calls: list[tuple[nn.Module, Tensor]] | None = None


def implementation() -> str:
    """Enters it in the table, and returns the name under which models find it."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    return NAME


def _attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    """transformers' ``sdpa``; (N, heads, L, head channels) each."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if _calls is not None:
        _calls.append((module, query))
    rows, prefix = module.__dict__.get(LISTENER, (None, 0))
    if rows is not None and rows._forward_hooks:
        rows(query[:, :, prefix:], key[:, :, prefix:])
    return sdpa_attention_forward(module, query, key, value, *args, **kwargs)


def listen(module: nn.Module, rows: nn.Module, prefix: int) -> None:
    """Has a module that attends call ``rows(query, key)`` while that is hooked, without its first ``prefix`` tokens.

    Raises:
        InputError: There are fewer tokens than patches.
    """
    if prefix < 0:
        raise InputError('HFBackbone: attends over fewer tokens than there are patches; choose another model')
    module.__dict__[LISTENER] = (rows, prefix)  # not a submodule: the state dict is transformers' own


@contextmanager
def attention_calls() -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Notes who attends, in order, with which query, while the context lasts."""
    global _calls
    _calls = []
    try:
        yield _calls
    finally:
        _calls = None
