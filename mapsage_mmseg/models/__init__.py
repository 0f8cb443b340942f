from . import backbones, balance, connectors, decode_heads, distillers, losses, segmentors

__all__ = ['backbones', 'balance', 'connectors', 'decode_heads', 'distillers', 'losses', 'segmentors']
