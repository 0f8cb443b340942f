from .activation_attention import ActivationAttentionLoss
from .attention_kl import AttentionKLLoss
from .channel_kl import ChannelWiseKLLoss
from .correlation import CorrelationLoss
from .feature_mse import FeatureMSELoss
from .logit_kl import LogitKLLoss
from .normalized_feature import NormalizedFeatureLoss
from .patch_similarity import PatchSimilarityLoss

__all__ = [
    'ActivationAttentionLoss',
    'AttentionKLLoss',
    'ChannelWiseKLLoss',
    'CorrelationLoss',
    'FeatureMSELoss',
    'LogitKLLoss',
    'NormalizedFeatureLoss',
    'PatchSimilarityLoss',
]
