"""Connector of several convolutions, from a student's feature to the teacher's."""

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...errors import InputError


@MODELS.register_module()
class ConvStackConnector(BaseModule):
    """3x3 convolutions with norm and GELU, then a 1x1 convolution with norm.

    A 1x1 convolution can only mix the student's channels; this connector also sees the neighbourhood of a pixel.

    Args:
        in_channel: Channels of the student's feature.
        out_channel: Channels of the teacher's feature.
        num_layers: Number of convolutions, at least 1 (the 1x1 convolution only).
        norm_cfg: Norm layer after each convolution; default: SyncBN.

    Raises:
        InputError: ``num_layers`` is below 1.
    """

    def __init__(
        self,
        in_channel: int,
        out_channel: int,
        num_layers: int = 2,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise InputError(f'ConvStackConnector: num_layers={num_layers} must be a whole number from 1')
        norm_cfg = norm_cfg or dict(type='SyncBN')
        widths = [in_channel] + [out_channel] * (num_layers - 1)
        self.layers = nn.Sequential(
            *(
                ConvModule(width, out_channel, 3, padding=1, norm_cfg=norm_cfg, act_cfg=dict(type='GELU'))
                for width in widths[:-1]
            ),
            ConvModule(widths[-1], out_channel, 1, norm_cfg=norm_cfg, act_cfg=None),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Maps (N, in_channel, H, W) to (N, out_channel, H, W)."""
        return self.layers(feature)
