"""Pretrained RGB weights for images with other bands."""

from typing import Any

from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmseg.registry import WEIGHT_INITIALIZERS
from torch import Tensor, nn


def for_bands(weight: Tensor, count: int) -> Tensor:
    """Returns a first convolution's weights (O, 3, h, w) for ``count`` bands, (O, count, h, w).

    Each band gets the mean of the three, scaled so that equal bands give the same output as a grey RGB image.
    """
    return weight if count == 3 else weight.mean(1, keepdim=True).repeat(1, count, 1, 1) * (3 / count)


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class PretrainedForBands(PretrainedInit):
    """MMEngine's ``Pretrained``, also for backbones with other than three bands (see :func:`for_bands`).

    MMEngine's own warns that the shape of the first convolution differs, and leaves it at its random weights. This
    class has the same name, in MMSegmentation's scope: by that name a backbone knows that these weights are loaded
    last.
    """

    def __call__(self, module: nn.Module) -> None:
        first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
        if first is None or first.in_channels == 3:
            super().__call__(module)
            return
        count = first.in_channels

        def adapt(part: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
            found = weights.get(f'{prefix}weight')
            if found is not None and found.ndim == 4 and found.shape[1] == 3:
                weights[f'{prefix}weight'] = for_bands(found, count)
                print_log(f'{prefix}weight: each of {count} bands starts from the mean of three', 'current')

        handle = first.register_load_state_dict_pre_hook(adapt)
        try:
            super().__call__(module)
        finally:
            handle.remove()
