"""Convolutions and linear layers that store their weights in the layout of the CPU's kernels."""

from collections.abc import Callable
from typing import Any

import torch
from mmcv.cnn.bricks.wrappers import Conv2d as MMCVConv2d
from torch import Tensor, nn


class PackedConv2d(nn.Conv2d):
    """A frozen convolution with packed weights.

    oneDNN needs the weights in blocked layout, and PyTorch reorders them in every forward; here it is done once. With
    a single thread, it also keeps 1x1 convolutions of small batches on oneDNN, where PyTorch takes another path.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = packed(self, x, lambda weight: _packed_kernel(self, weight, x))
        if weight is None:
            return super().forward(x)
        return torch.ops.mkldnn._convolution_pointwise(
            x.to(weight.dtype), weight, bias, self.padding, self.stride, self.dilation, self.groups, 'none', [], ''
        )


class PackedLinear(nn.Linear):
    """A frozen linear layer with packed weights."""

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
    """Returns a module's weight and bias in its kernel's layout, in the dtype of autocast or else its own.

    They are packed at first use, for that input's size. Other sizes give the same result, but may need another reorder.

    Returns:
        Weight and bias; (None, None) if the plain forward must run: on another device, for other dtypes, or with
        gradients enabled.
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
    """Returns whether any of a model's layers is packed; torch.compile cannot trace packed layers."""
    return any(isinstance(module, PackedConv2d | PackedLinear) for module in model.modules())


def pack_weights(model: nn.Module) -> int:
    """Turns every plain convolution and linear layer of a frozen model into a packed one, if oneDNN is available.

    Subclasses (attention's output projection, TensorFlow's padding) are left unchanged. Paths, hooks, parameters and
    the keys of ``state_dict`` stay the same.

    Returns:
        The number of packed layers.
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
