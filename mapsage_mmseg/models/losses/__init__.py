from .activation_attention import ActivationAttentionLoss
from .attention_kl import AttentionKLLoss
from .feature_mse import FeatureMSELoss
from .logit_kl import LogitKLLoss

__all__ = ['ActivationAttentionLoss', 'AttentionKLLoss', 'FeatureMSELoss', 'LogitKLLoss']
