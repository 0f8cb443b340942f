"""Self-attention of transformers' models, with attention rows for modules that are hooked.

transformers looks up its attention function in a table. The one registered here calls the fast ``sdpa``, which gives no
rows; the rows of a layer are computed before it, and only if they are hooked.
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
    """Registers the attention function and returns its name in the table."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    return NAME


def _attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Calls transformers' ``sdpa``; query, key and value are (N, heads, L, head channels)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if _calls is not None:
        _calls.append((module, query))
    rows, prefix = module.__dict__.get(LISTENER, (None, 0))
    if rows is not None and rows._forward_hooks:
        rows(query[:, :, prefix:], key[:, :, prefix:])
    return sdpa_attention_forward(module, query, key, value, *args, **kwargs)


def listen(module: nn.Module, rows: nn.Module, prefix: int) -> None:
    """Makes an attention module call ``rows(query, key)`` while ``rows`` is hooked.

    Query and key are passed without their first ``prefix`` tokens.

    Raises:
        InputError: There are fewer tokens than patches.
    """
    if prefix < 0:
        raise InputError('HFBackbone: attends over fewer tokens than there are patches; choose another model')
    module.__dict__[LISTENER] = (rows, prefix)  # not a submodule: the state dict is transformers' own


@contextmanager
def attention_calls() -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Collects the attention calls inside the context, in order, as (module, query)."""
    global _calls
    _calls = []
    try:
        yield _calls
    finally:
        _calls = None
