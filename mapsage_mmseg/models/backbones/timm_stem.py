"""A stem of :class:`LightweightViT` from the first stages of a timm network."""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ...errors import InputError
from ...weights_file import load_checkpoint_file
from ..normalisation import IMAGENET_MEAN, IMAGENET_STD, to_own
from .stems import Stem

STRIDES = (4, 8, 16)
SEED = 1_305_671  # of the random weights that loading replaces


@MODELS.register_module()
class TimmStem(Stem):
    """The stages of a timm network that end at strides 4, 8 and 16. Needs timm and torchvision.

    Args:
        model: timm's name, such as ``'convnext_tiny'`` or ``'mobilenetv3_large_100'``; it must give feature maps at
            these strides for images of any size.
        pretrained: Load timm's weights, from the hub or its cache.
        weights: A file with timm's weights (``.safetensors`` or ``.pth``) instead, for machines without network access.
        input_mean, input_std: Mean and std of the data preprocessor, per channel, in 0..255. None for images that are
            normalised by the statistics of their own bands; they are treated as if normalised by ImageNet's.
        in_channels: Bands of an image; if not three, timm adapts the weights of the first layer.

    Raises:
        InputError: timm cannot be imported or does not know the model, or its maps have other strides.
    """

    def __init__(
        self,
        model: str,
        pretrained: bool = False,
        weights: str | None = None,
        input_mean: Sequence[float] | None = IMAGENET_MEAN,
        input_std: Sequence[float] | None = IMAGENET_STD,
        in_channels: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.name, self.pretrained, self.weights, self.in_channels = model, pretrained, weights, in_channels
        whole = self._create()
        strides = whole.feature_info.reduction()
        if not set(STRIDES) <= set(strides):
            raise InputError(
                f'TimmStem: model={model!r} has maps at strides {strides}; expected 4, 8 and 16 among them'
            )
        self._taken = tuple(strides.index(stride) for stride in STRIDES)
        self.net = self._create(out_indices=self._taken)
        self.channels = tuple(self.net.feature_info.channels())  # type: ignore[assignment]
        card = getattr(whole, 'pretrained_cfg', None) or {}
        mean = [255 * value for value in card.get('mean', ())] or IMAGENET_MEAN
        std = [255 * value for value in card.get('std', ())] or IMAGENET_STD
        scale, shift, self.undoes = to_own(input_mean, input_std, mean, std, in_channels)
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('shift', shift, persistent=False)

    def _create(self, **settings: Any) -> Any:
        try:
            import timm
        except Exception as error:  # a torchvision that does not match torch raises RuntimeError
            raise InputError(
                "TimmStem needs timm and a torchvision that goes with torch: pip install 'mapsage_mmseg[timm]' "
                f'({type(error).__name__}: {(str(error).splitlines() or [""])[0]})'
            ) from error
        try:
            return timm.create_model(self.name, features_only=True, in_chans=self.in_channels, **settings)
        except (RuntimeError, TypeError, ValueError, AttributeError, AssertionError) as error:
            raise InputError(f'TimmStem: model={self.name!r}: {" ".join(str(error).split())[:200]}') from error

    def init_weights(self) -> None:
        """Loads the weights (the Runner calls this, once, before training)."""
        if self.is_init or not (self.pretrained or self.weights):
            return
        settings: dict[str, Any] = dict(pretrained=True)
        if self.weights:
            content = load_checkpoint_file(self.weights)
            settings['pretrained_cfg_overlay'] = dict(state_dict=content.get('state_dict', content))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            drawn = self._create(out_indices=self._taken).state_dict()
            torch.manual_seed(SEED)
            found = self._create(out_indices=self._taken, **settings).state_dict()
        # timm silently skips weights that do not fit. A tensor that equals its random values was not loaded.
        left = [key for key, value in found.items() if value.ndim > 1 and torch.equal(value, drawn[key])]
        if left:
            raise InputError(
                f'TimmStem: {self.weights or self.name} has no weights for {len(left)} tensors of {self.name}, '
                f'{left[0]} the first; name a file of that model'
            )
        self.net.load_state_dict(found)
        self._is_init = True

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the maps at strides 4, 8 and 16; the image is padded right and below to a multiple of 16."""
        height, width = x.shape[-2:]
        maps = self.net(F.pad(x * self.scale + self.shift, (0, -width % 16, 0, -height % 16)))
        first, second, third = (
            found[..., : -(-height // stride), : -(-width // stride)]
            for found, stride in zip(maps, STRIDES, strict=True)
        )
        return first, second, third
