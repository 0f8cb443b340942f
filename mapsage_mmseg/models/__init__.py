from . import backbones, decode_heads, distillers, losses, segmentors

__all__ = ['backbones', 'decode_heads', 'distillers', 'losses', 'segmentors']
