from . import data_parallel, guarded_step, hooks, loops, mixed_precision

__all__ = ['data_parallel', 'guarded_step', 'hooks', 'loops', 'mixed_precision']
