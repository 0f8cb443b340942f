from .tapered_uper_head import TaperedUPerHead

__all__ = ['TaperedUPerHead']
