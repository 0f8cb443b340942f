"""Knowledge distillation for land-cover segmentation, as an MMSegmentation plugin.

Importing the package registers its modules in ``mmseg.registry``; a config does so with
``custom_imports = dict(imports=['mapsage_mmseg'])``.
"""

from . import compat  # isort: skip  (before anything that imports mmseg.models or mmrazor)

with compat.recursion_limit_kept():
    compat.apply()
    from . import datasets, engine, metrics, models, visualization

__version__ = '0.1.0'
__all__ = ['__version__', 'compat', 'datasets', 'engine', 'metrics', 'models', 'visualization']
