"""Convolutions and linear layers that keep their weights in the layout in which the CPU's kernels read them."""

from collections.abc import Callable
from typing import Any

import torch
from mmcv.cnn.bricks.wrappers import Conv2d as MMCVConv2d
from torch import Tensor, nn


class PackedConv2d(nn.Conv2d):
    """A frozen convolution. oneDNN wants its weights blocked, and PyTorch blocks them anew in every forward; here it is
    done once. Nor are 1x1 convolutions of small batches left to another path where there is one thread."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = packed(self, x, lambda weight: _packed_kernel(self, weight, x))
        if weight is None:
            return super().forward(x)
        return torch.ops.mkldnn._convolution_pointwise(
            x.to(weight.dtype), weight, bias, self.padding, self.stride, self.dilation, self.groups, 'none', [], ''
        )


class PackedLinear(nn.Linear):
    """A frozen linear layer, likewise."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.numel() // max(x.shape[-1], 1)
        weight, bias = packed(self, x, lambda weight: torch.ops.mkldnn._reorder_linear_weight(weight, rows))
        if weight is None:
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(x.to(weight.dtype), weight, bias, 'none', [], '')


def _packed_kernel(conv: nn.Conv2d, weight: Tensor, x: Tensor) -> Tensor:
    return torch.ops.aten.mkldnn_reorder_conv2d_weight(
        weight.to_mkldnn(), conv.padding, conv.stride, conv.dilation, conv.groups, x.shape
    )


def packed(module: Any, x: Tensor, pack: Callable[[Tensor], Tensor]) -> tuple[Tensor | None, Tensor | None]:
    """A module's weight and bias as its kernel reads them, in the dtype that the moment asks for.

    Packed at first use, for the size of that input; other sizes are as right, and may cost a second layout.

    Returns:
        Two times None where the plain forward has to do: another device, other dtypes, a gradient is wanted.
    """
    if x.device.type != 'cpu' or torch.is_grad_enabled() or not x.numel():
        return None, None
    dtype = torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else module.weight.dtype
    kept = module.__dict__.setdefault('kept', {})
    key = dtype, module.weight.data_ptr(), module.weight._version
    if key not in kept:
        if not _runs_in(dtype):
            return None, None
        bias = None if module.bias is None else module.bias.detach().to(dtype)
        kept.update({key: (pack(module.weight.detach().to(dtype).contiguous()), bias)})
    return kept[key]


def _runs_in(dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32


def is_packed(model: nn.Module) -> bool:
    """Whether any of a model's layers is packed; torch.compile cannot trace those."""
    return any(isinstance(module, PackedConv2d | PackedLinear) for module in model.modules())


def pack_weights(model: nn.Module) -> int:
    """Turns every plain convolution and linear layer of a frozen model into a packed one, where oneDNN is there.

    Classes of their own (attention's output projection, padding as TensorFlow does it) stay as they are. Paths, hooks,
    parameters and the keys of ``state_dict`` stay, too.

    Returns:
        How many.
    """
    if not torch.backends.mkldnn.is_available():
        return 0
    count = 0
    for module in model.modules():
        if type(module) in (nn.Conv2d, MMCVConv2d) and module.padding_mode == 'zeros':
            if isinstance(module.padding, str):
                continue
            module.__class__ = PackedConv2d
        elif type(module) is nn.Linear:
            module.__class__ = PackedLinear
        else:
            continue
        count += 1
    return count
