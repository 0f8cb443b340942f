"""Backbones of Hugging Face's transformers."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from ..normalisation import IMAGENET_MEAN, IMAGENET_STD, to_own
from .hf_attention import attention_calls, implementation, listen
from .lightweight_vit import AttentionRows

PLAIN_STEP = 32  # pixels: the coarsest stride of hierarchical backbones
PROBE = 64  # pixels: several windows of a Swin, and fast


@MODELS.register_module()
class HFBackbone(BaseModule):
    """DINOv3, DINOv2, Swin, ConvNeXt, SegFormer and the other models of ``transformers.AutoBackbone`` (the extra
    ``[hf]``).

    If the patch size, or the coarsest stride, does not divide an image's sides, the image is resized to the next
    multiple, so that the maps cover it exactly. The four maps of a plain ViT have the same stride; mmseg's neck
    ``Feature2Pyramid`` turns them into strides 4 to 32. With global attention, ``rows.<i>`` gives the head-averaged
    attention rows of layer ``i`` between patches, without class and register tokens; they are computed only while they
    are hooked.

    Inputs are RGB images, normalised by the segmentor's data preprocessor; the backbone converts them to the model's
    own mean and standard deviation.

    Args:
        model: Name on the hub, or a local folder (``config.json``, ``model.safetensors``). :meth:`init_weights` loads
            the weights, from safetensors only; the Runner calls it once before training.
        config: ``dict(model_type='dinov3_vit', hidden_size=1024, ...)``, with random weights. If ``model`` is given
            too, this is the fallback for a model that cannot be loaded; it logs a warning.
        layers: Layers, or stages, that give the maps, counted from 1; default: four, evenly spread, with the last one.
        frozen: Train nothing: no gradient, eval mode.
        local_files_only: Do not download anything.
        revision: Revision of the model on the hub.
        input_mean, input_std: Mean and std of the data preprocessor, per channel, in 0..255; None for images that are
            normalised by the statistics of their own bands.

    Attributes:
        channels: Channels of each map.
        untrained: Why the weights are random although a model is named, or None.

    Raises:
        InputError: transformers is missing, or the model cannot be found or read, or gives no maps.
    """

    def __init__(
        self,
        model: str | None = None,
        config: Mapping[str, Any] | None = None,
        layers: Sequence[int] | None = None,
        frozen: bool = False,
        local_files_only: bool = False,
        revision: str | None = None,
        input_mean: Sequence[float] | None = IMAGENET_MEAN,
        input_std: Sequence[float] | None = IMAGENET_STD,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if model is None and config is None:
            raise InputError('HFBackbone: give model (a name or a folder), or config (a model_type and sizes)')
        self.source, self.frozen = model, frozen
        self.untrained: str | None = None
        self._found = dict(local_files_only=local_files_only, revision=revision)
        settings = self._settings(config)
        self.layers = _chosen(layers, len(_stages(settings)), settings.model_type)
        self.step = getattr(settings, 'patch_size', PLAIN_STEP) if _is_plain(settings) else PLAIN_STEP
        self.model: Any = self._build(settings)
        scale, shift, self.undoes = to_own(input_mean, input_std, *self._own_normalisation())
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('shift', shift, persistent=False)
        self.rows = self._listen()
        if frozen:
            self.model.requires_grad_(False)

    def _settings(self, config: Mapping[str, Any] | None) -> Any:
        try:
            from transformers import AutoConfig
        except ImportError as error:
            raise InputError("HFBackbone needs transformers: pip install 'mapsage_mmseg[hf]'") from error
        if self.source is not None:
            try:
                # Refuse a model with code of its own; by default transformers would ask the user.
                return AutoConfig.from_pretrained(self.source, trust_remote_code=False, **self._found)
            except (OSError, ValueError) as error:
                reason = f'model={self.source!r} cannot be had: {_first_line(error)}'
                if config is None:
                    raise InputError(f'HFBackbone: {reason}') from error
            print_log(f'HFBackbone: RANDOM weights, nothing to teach: {reason}', 'current', logging.WARNING)
            self.source, self.untrained = None, reason
        given = dict(config or {})
        try:
            return AutoConfig.for_model(given.pop('model_type', None), **given)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f'HFBackbone: config={dict(config or {})!r}: {_first_line(error)}') from error

    def _build(self, settings: Any) -> Any:
        from transformers import AutoBackbone, AutoModel

        kind = AutoModel if settings.model_type == 'segformer' else AutoBackbone
        if kind is AutoBackbone:
            settings.out_indices = list(self.layers)
        try:
            model = kind.from_config(settings)
        except (ValueError, RuntimeError) as error:
            raise InputError(f'HFBackbone: {self.source or settings.model_type}: {_first_line(error)}') from error
        if getattr(model, '_supports_sdpa', False):  # those without attention do not
            model.set_attn_implementation(implementation())
        return model

    def _own_normalisation(self) -> tuple[Sequence[float], Sequence[float]]:
        from transformers.utils import cached_file

        path = self.source and cached_file(
            self.source, 'preprocessor_config.json', _raise_exceptions_for_missing_entries=False, **self._found
        )
        card = json.loads(Path(path).read_text()) if path else {}
        mean, std = card.get('image_mean'), card.get('image_std')
        if mean is None or std is None:
            return IMAGENET_MEAN, IMAGENET_STD
        return [255 * value for value in mean], [255 * value for value in std]

    @torch.no_grad()
    def _listen(self) -> nn.ModuleList:
        """Runs the model once on zeros to find the maps' channels and the modules with global attention."""
        size = PROBE // self.step * self.step or self.step
        was_training = self.model.training
        self.model.eval()
        with attention_calls() as calls:
            maps = self._maps(torch.zeros(1, 3, size, size))
        self.model.train(was_training)
        self.channels = tuple(each.shape[1] for each in maps)
        rows = nn.ModuleList()
        if any(query.shape[0] > 1 for _, query in calls):  # windowed attention: no row covers the whole image
            return rows
        for module, query in calls:
            rows.append(AttentionRows())
            patches = (size // self.step) ** 2 if _is_plain(self.model.config) else query.shape[-2]
            listen(module, rows[-1], query.shape[-2] - patches)
        return rows

    def init_weights(self) -> None:
        """Loads the model's weights.

        Raises:
            InputError: The weights cannot be read, or some are missing; it names them.
        """
        if self.is_init or self.source is None:
            return
        # From the class itself: AutoBackbone takes a folder for a name on the hub.
        read = type(self.model).from_pretrained
        try:
            loaded, info = read(
                self.source, config=self.model.config, use_safetensors=True, output_loading_info=True, **self._found
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f'HFBackbone: model={self.source!r}: {_first_line(error)}') from error
        missing = sorted(info['missing_keys'])
        if missing:
            raise InputError(
                f'HFBackbone: model={self.source!r} lacks {len(missing)} of its weights: {", ".join(missing[:5])}'
            )
        if info['unexpected_keys']:
            print_log(f'{self.source}: not taken: {", ".join(sorted(info["unexpected_keys"]))}', 'current')
        self.model.load_state_dict(loaded.state_dict())
        self._is_init = True

    def train(self, mode: bool = True) -> 'HFBackbone':
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def _maps(self, x: Tensor) -> Sequence[Tensor]:
        if self.model.config.model_type == 'segformer':
            states = self.model(x, output_hidden_states=True).hidden_states
            return [states[layer - 1] for layer in self.layers]
        return self.model(x).feature_maps

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """
        Args:
            x: Images (N, 3, H, W), any size, normalised, RGB.

        Returns:
            One map (N, C, ceil(H/s), ceil(W/s)) for each of ``layers``; s is its stride.
        """
        x = x * self.scale + self.shift
        size = [-(-side // self.step) * self.step for side in x.shape[-2:]]
        if size != list(x.shape[-2:]):
            x = F.interpolate(x, size=size, mode='bilinear', align_corners=False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return tuple(self._maps(x))


def _is_plain(settings: Any) -> bool:
    """Returns whether all layers have the same stride."""
    return isinstance(getattr(settings, 'num_hidden_layers', None), int) and not hasattr(settings, 'depths')


def _stages(settings: Any) -> Sequence[Any]:
    """Returns the layers of a plain ViT, or the stages of a hierarchical backbone."""
    return range(settings.num_hidden_layers) if _is_plain(settings) else settings.depths


def _chosen(layers: Sequence[int] | None, count: int, kind: str) -> tuple[int, ...]:
    if layers is None:
        return tuple(sorted({max(1, round(count * part / 4)) for part in (1, 2, 3, 4)}))
    if not layers or list(layers) != sorted({*layers}) or not 1 <= layers[0] <= layers[-1] <= count:
        raise InputError(f'HFBackbone: layers={list(layers)} must be rising numbers from 1 to {count}, for {kind}')
    return tuple(layers)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [repr(error)])[0]
