"""Registers the package's modules in ``mmseg.registry``; ``custom_imports`` in the configs names it."""

from . import compat  # isort: skip  (before anything that imports mmseg.models or mmrazor)

with compat.recursion_limit_kept():
    compat.apply()
    from . import metrics, models
    from .datasets import sampler
    from .datasets.synthetic import dataset as synthetic
    from .datasets.tiles import dataset as tiles
    from .datasets.transforms import colour_shift, quarter_turn, rescale, seeding
    from .datasets.transforms import replayed_pipeline as replay
    from .engine import data_parallel, guarded_step, hooks, loops, mixed_precision
    from .imagery import loading
    from .visualization import tensorboard_backend

__all__ = [
    'colour_shift',
    'data_parallel',
    'guarded_step',
    'hooks',
    'loading',
    'loops',
    'metrics',
    'mixed_precision',
    'models',
    'quarter_turn',
    'replay',
    'rescale',
    'sampler',
    'seeding',
    'synthetic',
    'tensorboard_backend',
    'tiles',
]
