"""Batch norms that keep their pretrained statistics in training."""

from mmengine.model import BaseModule
from torch.nn.modules.batchnorm import _BatchNorm


class NormEval(BaseModule):
    """A module whose batch norms, synchronised or not, stay in eval mode if ``norm_eval`` is true."""

    norm_eval: bool

    def train(self, mode: bool = True) -> 'NormEval':
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
