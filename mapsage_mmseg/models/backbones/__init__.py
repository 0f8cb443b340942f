from .lightweight_vit import LightweightViT
from .stems import ConvStem, EfficientNetLiteStem, PatchStem

__all__ = ['ConvStem', 'EfficientNetLiteStem', 'LightweightViT', 'PatchStem']
