"""The lightweight teacher's decode head."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.psp_head import PPM
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, cat, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import InputError


@contextmanager
def _running_statistics(module: nn.Module, alone: bool) -> Iterator[None]:
    """In training, makes batch norms use their running statistics if the batch is a single image (``alone``).

    Pooled to one pixel, a single image has no batch statistics.
    """
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm) and each.training] if alone else []
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


@MODELS.register_module()
class TaperedUPerHead(BaseDecodeHead):
    """UPerNet (Xiao et al. 2018, arXiv:1807.10221) whose width tapers towards the fine strides.

    Each stride costs about the same: the 3x3 convolutions are widest where there are fewest pixels. The original has
    one width throughout, which puts nine tenths of its cost at stride 4.

    Args:
        widths: Channels at strides 4, 8, 16 and 32, finest first.
        pool_scales: Output sizes of the pyramid pooling module at stride 32.
        kwargs: Arguments of mmseg's ``BaseDecodeHead``, except ``channels`` and ``input_transform``.
    """

    def __init__(
        self, widths: Sequence[int] = (128, 256, 512, 960), pool_scales: Sequence[int] = (1, 2, 3), **kwargs
    ) -> None:
        if len(widths) != 4:
            raise InputError(
                f'TaperedUPerHead: widths={tuple(widths)} must name four numbers, for strides 4, 8, 16 and 32'
            )
        super().__init__(input_transform='multiple_select', channels=widths[0], **kwargs)
        common = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg, inplace=False)
        coarsest = self.in_channels[-1]
        self.pooling = PPM(pool_scales, coarsest, widths[3], None, self.norm_cfg, self.act_cfg, self.align_corners)
        self.context = ConvModule(coarsest + len(pool_scales) * widths[3], widths[3], 3, padding=1, **common)
        self.reduce = nn.ModuleList(nn.Conv2d(widths[i + 1], widths[i], 1) for i in range(3))
        self.lateral = nn.ModuleList(ConvModule(self.in_channels[i], widths[i], 1, **common) for i in range(3))
        self.refine = nn.ModuleList(ConvModule(widths[i], widths[i], 3, padding=1, **common) for i in range(3))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """
        Args:
            inputs: Feature maps at strides 4, 8, 16 and 32, each (N, C, h, w).

        Returns:
            Logits (N, num_classes, h, w) at stride 4.
        """
        maps = self._transform_inputs(inputs)
        with _running_statistics(self.pooling, alone=maps[3].shape[0] == 1):
            pooled = self.pooling(maps[3])
        x = self.context(cat([maps[3], *pooled], dim=1))
        for i in (2, 1, 0):
            # The 1x1 convolution runs before the resize: the same result, on a quarter of the pixels.
            x = resize(self.reduce[i](x), size=maps[i].shape[-2:], mode='bilinear', align_corners=self.align_corners)
            x = self.refine[i](x + self.lateral[i](maps[i]))
        return self.cls_seg(x)
