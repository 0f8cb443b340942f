"""Knowledge distillation for land-cover segmentation, as an MMSegmentation plugin.

Importing ``mapsage_mmseg.register`` registers its modules in ``mmseg.registry``; a config does so with
``custom_imports = dict(imports=['mapsage_mmseg.register'])``.
"""

__version__ = '0.1.0'
