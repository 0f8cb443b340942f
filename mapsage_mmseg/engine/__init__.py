from . import hooks, loops, mixed_precision

__all__ = ['hooks', 'loops', 'mixed_precision']
