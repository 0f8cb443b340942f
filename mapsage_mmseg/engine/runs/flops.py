"""Floating point operations of a forward pass."""

from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def crop_size(model: Any) -> tuple[int, int]:
    """Returns height and width of a training crop in pixels, as in the model's preprocessor; 128 x 128 if it has
    none."""
    height, width = getattr(model.data_preprocessor, 'size', None) or (128, 128)
    return int(height), int(width)


def forward_gflops(model: nn.Module, size: tuple[int, int], bands: int = 3) -> float | None:
    """Counts the forward pass over one image, in 10^9 floating point operations.

    A multiplication and its addition count as two (2 x MAC). Convolutions and matrix products are counted, including
    those of attention; norms, activations and interpolation, a few percent, are not. The model is not changed: it runs
    in eval mode, so no statistics are updated and no random numbers are drawn.

    Args:
        model: A segmentor of MMSegmentation.
        size: Height and width of the image in pixels.
        bands: Its channels.

    Returns:
        GFLOPs; None, with a line in the log, for a model whose forward cannot run on tensors alone.
    """
    modes = {module: module.training for module in model.modules()}
    inputs = torch.zeros((1, bands, *size), device=next(model.parameters()).device)
    model.eval()
    try:
        # the counter has no formula for fused attention on a CPU; MATH consists of matrix products
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(inputs, None, mode='tensor')
        return round(counter.get_total_flops() / 1e9, 4)
    except Exception as error:  # a missing figure must not stop a training
        print_log(f'FLOPs are not in the record: {type(error).__name__}: {error}', 'current')
        return None
    finally:
        for module, training in modes.items():
            module.training = training
