"""Backbones, heads, connectors, losses, balances, distillers and segmentors."""

from .. import compat  # isort: skip  (before mmseg.models and mmrazor are imported)

with compat.recursion_limit_kept():
    compat.apply()
    from . import backbones, balance, connectors, decode_heads, distillers, losses, segmentors

__all__ = ['backbones', 'balance', 'connectors', 'decode_heads', 'distillers', 'losses', 'segmentors']
