from . import data_parallel, hooks, loops, mixed_precision

__all__ = ['data_parallel', 'hooks', 'loops', 'mixed_precision']
