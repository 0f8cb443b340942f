from .build import build_balance
from .gradnorm import GradNormBalance
from .shares import SharesBalance
from .uncertainty import UncertaintyBalance

__all__ = ['GradNormBalance', 'SharesBalance', 'UncertaintyBalance', 'build_balance']
