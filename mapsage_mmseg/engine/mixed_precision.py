"""Mixed precision on GPUs and CPUs."""

from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS

from ..errors import InputError
from .guarded_step import GuardedStep


@OPTIM_WRAPPERS.register_module(name='AmpOptimWrapper')
class MixedPrecisionOptimWrapper(GuardedStep, AmpOptimWrapper):
    """MMEngine's ``AmpOptimWrapper`` without its need for a GPU, and without loss scaling in bfloat16.

    It is registered under MMEngine's name in MMSegmentation's scope, so the stock tool's ``--amp`` uses it. float16
    needs its gradients scaled; bfloat16, which has float32's range, does not.

    Args:
        loss_scale: As for MMEngine's wrapper; ignored in bfloat16.
        dtype: ``'bfloat16'``, or ``'float16'`` (GPU only). None, the stock tool's value, is bfloat16 on a CPU and
            float16 elsewhere.
        kwargs: As for MMEngine's ``OptimWrapper``.

    Raises:
        InputError: The dtype is another one, or float16 on a CPU.
    """

    def __init__(self, loss_scale: str | float | dict = 'dynamic', dtype: str | None = None, **kwargs: Any) -> None:
        device = torch.device(get_device()).type
        dtype = dtype or ('bfloat16' if device == 'cpu' else 'float16')
        if dtype not in ('bfloat16', 'float16'):
            raise InputError(f'optim_wrapper.dtype={dtype!r} must be bfloat16 or float16')
        if device == 'cpu' and dtype == 'float16':
            raise InputError("optim_wrapper.dtype='float16' needs a GPU, and torch sees none here; use bfloat16")
        if device != 'cpu':
            super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
            if dtype == 'float16':
                return
        else:
            # Not AmpOptimWrapper.__init__: it asserts a GPU.
            OptimWrapper.__init__(self, **kwargs)
        self.cast_dtype, self._scale_update_param = getattr(torch, dtype), None
        self.loss_scaler = torch.amp.GradScaler(device, enabled=False)  # passes everything through

    def step(self, **kwargs: Any) -> None:
        """Takes the optimizer's step, or skips it if the gradient is non-finite; a loss scale is lowered then."""
        if not self.clip_grad_kwargs:
            return super().step(**kwargs)
        self.loss_scaler.unscale_(self.optimizer)
        self.clip()
        sound, scaled = self.is_sound(self.grad_name), self.loss_scaler.is_enabled()
        if sound or scaled:  # a scaler skips it by itself
            self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._scale_update_param)
        self.searching = not sound and scaled and self.loss_scaler.get_scale() > 1
        if self.searching:
            self.in_a_row = 0
        return None
