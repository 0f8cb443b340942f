"""Weights that were trained on red, green and blue, for images of other bands."""

from typing import Any

from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmseg.registry import WEIGHT_INITIALIZERS
from torch import Tensor, nn


def for_bands(weight: Tensor, count: int) -> Tensor:
    """A first convolution's weights (O, 3, h, w) for so many bands: the mean of the three for each, at such a scale
    that bands which agree give what a grey image gave."""
    return weight if count == 3 else weight.mean(1, keepdim=True).repeat(1, count, 1, 1) * (3 / count)


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class PretrainedForBands(PretrainedInit):
    """MMEngine's ``Pretrained``, which a backbone of other than three bands can start from too: see :func:`for_bands`.

    MMEngine's own warns of the first convolution, whose shape differs, and leaves it as it was drawn. This one has its
    name, in MMSegmentation's scope, because a backbone knows by that name that what it loads comes last.
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
