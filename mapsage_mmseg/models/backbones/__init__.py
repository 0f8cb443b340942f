from .band_weights import PretrainedForBands
from .efficientnet_lite import EfficientNetLite
from .hf_backbone import HFBackbone
from .lightweight_vit import LightweightViT
from .stems import ConvStem, EfficientNetLiteStem, PatchStem
from .timm_stem import TimmStem

__all__ = [
    'ConvStem',
    'EfficientNetLite',
    'EfficientNetLiteStem',
    'HFBackbone',
    'LightweightViT',
    'PatchStem',
    'PretrainedForBands',
    'TimmStem',
]
