from . import backbones, connectors, decode_heads, distillers, losses, segmentors

__all__ = ['backbones', 'connectors', 'decode_heads', 'distillers', 'losses', 'segmentors']
