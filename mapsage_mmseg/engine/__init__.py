from . import data_parallel, hooks, loops

__all__ = ['data_parallel', 'hooks', 'loops']
