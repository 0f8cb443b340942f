"""Weights of a DINOv2 or DINOv3 ViT-S for :class:`LightweightViT`, which has the same width and number of heads."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError

KINDS = ('dinov2', 'dinov2_with_registers', 'dinov3_vit')
LAYER = re.compile(r'(?:\w+\.)?layer\.(\d+)\.(.+)')
# Names of each part in the versions of transformers.
NAMES = dict(
    query=('attention.q_proj', 'attention.attention.query'),
    key=('attention.k_proj', 'attention.attention.key'),
    value=('attention.v_proj', 'attention.attention.value'),
    proj=('attention.o_proj', 'attention.output.dense'),
    up=('mlp.up_proj', 'mlp.fc1'),
    down=('mlp.down_proj', 'mlp.fc2'),
    norm=('norm', 'layernorm'),
    patches=('embeddings.patch_embeddings', 'embeddings.patch_embeddings.projection'),
)


def start_from_dino(vit: Any, model: str, layers: Sequence[int] | None = None, local_files_only: bool = False) -> None:
    """Initialises a :class:`LightweightViT` from a model of transformers; the log names the weights not used.

    Args:
        vit: The model to initialise.
        model: Name on the hub, or a local folder with ``config.json`` and ``model.safetensors``.
        layers: As for :func:`take`; default: evenly spread.
        local_files_only: Do not download anything.

    Raises:
        InputError: transformers is missing, the model cannot be read, or :func:`take` refuses it.
    """
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise InputError("LightweightViT.pretrained needs transformers: pip install 'mapsage_mmseg[hf]'") from error
    try:
        found = AutoModel.from_pretrained(
            model, use_safetensors=True, local_files_only=local_files_only, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or [repr(error)])[0]
        raise InputError(f'LightweightViT.pretrained.model={model!r} cannot be had: {first}') from error
    config = found.config
    if config.model_type not in KINDS:
        raise InputError(f'LightweightViT.pretrained: a {config.model_type} cannot start it; {", ".join(KINDS)} can')
    chosen = spread(len(vit.layers), config.num_hidden_layers) if layers is None else layers
    left = take(vit, found.state_dict(), chosen, config.num_attention_heads)
    print_log(f'{model}: layers {", ".join(map(str, chosen))} taken; not taken: {", ".join(left)}', 'current')


def spread(count: int, of: int) -> tuple[int, ...]:
    """Returns ``count`` of ``of`` layers, evenly spread and with the last one; counted from 1."""
    return tuple(round(of * (i + 1) / count) for i in range(count))


def take(vit: Any, weights: Mapping[str, Tensor], layers: Sequence[int], heads: int) -> list[str]:
    """Copies the weights of a DINO model that fit into a :class:`LightweightViT`.

    These are the layers and the last norm. With a patch stem, they are also the patch projection (resized to 16
    pixels) and the position embedding without the class token's. DINOv3 has no position embedding, but rotary ones,
    which LightweightViT does not support: its position embedding is set to zeros.

    Args:
        vit: The model to initialise.
        weights: State dict of the transformers model.
        layers: Layers to copy, counted from 1, one for each layer of ``vit``.
        heads: Number of attention heads of the transformers model.

    Returns:
        Names of the tensors that were not copied.

    Raises:
        InputError: The width or the number of heads differs, or a layer does not exist.
    """
    found = _Tensors(weights)
    width, own = vit.pos_embed.shape[1], vit.layers[0].attn.num_heads
    norm = found.pair('norm')
    if (norm['weight'].shape[0], heads) != (width, own):
        raise InputError(
            f'LightweightViT.pretrained: that model has {norm["weight"].shape[0]} channels and {heads} heads, '
            f'LightweightViT has embed_dims={width} and num_heads={own}'
        )
    if len(layers) != len(vit.layers):
        raise InputError(f'LightweightViT.pretrained.layers={list(layers)}: {len(vit.layers)} are needed')
    vit.norm.load_state_dict(norm)
    for block, number in zip(vit.layers, layers, strict=True):
        _take_layer(block, found.layer(number))
    if hasattr(vit.stem, 'projection'):
        patches = found.pair('patches')
        size = vit.stem.projection.weight.shape[-2:]
        kernel = patches['weight'] if patches['weight'].shape[-2:] == size else _resized(patches['weight'], size)
        vit.stem.projection.load_state_dict(dict(weight=kernel, bias=patches['bias']))
        if 'embeddings.position_embeddings' in weights:
            vit.pos_embed.data.copy_(_grid(found.one('embeddings.position_embeddings'), vit.pos_embed.shape[-2:]))
        else:
            nn.init.zeros_(vit.pos_embed)
    return sorted(set(weights) - found.taken)


def _take_layer(block: Any, layer: '_Tensors') -> None:
    block.norm1.load_state_dict(layer.pair('norm1'))
    block.norm2.load_state_dict(layer.pair('norm2'))
    heads = [layer.pair(part) for part in ('query', 'key', 'value')]
    block.attn.qkv.load_state_dict({key: torch.cat([part[key] for part in heads]) for key in ('weight', 'bias')})
    block.attn.proj.load_state_dict(_scaled(layer.pair('proj'), layer.one('layer_scale1.lambda1')))
    block.mlp[0].load_state_dict(layer.pair('up'))
    block.mlp[2].load_state_dict(_scaled(layer.pair('down'), layer.one('layer_scale2.lambda1')))


def _scaled(pair: dict[str, Tensor], scale: Tensor) -> dict[str, Tensor]:
    return dict(weight=pair['weight'] * scale[:, None], bias=pair['bias'] * scale)


def _resized(kernel: Tensor, size: Any) -> Tensor:
    """Resizes a patch kernel; its output for a patch of uniform colour stays the same."""
    resized = F.interpolate(kernel, size=size, mode='bicubic', align_corners=False, antialias=True)
    return resized * (kernel.shape[-1] * kernel.shape[-2] / (size[0] * size[1]))


def _grid(positions: Tensor, size: Any) -> Tensor:
    """Resizes position embeddings (1, 1 + side², C), the class token's first, to (1, C, h, w)."""
    side = round((positions.shape[1] - 1) ** 0.5)
    grid = positions[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))
    return F.interpolate(grid, size=size, mode='bicubic', align_corners=False)


class _Tensors:
    """Tensors of a state dict by name without prefix; it notes which ones were used.

    Args:
        weights: The state dict.
        names: Name to key in ``weights``; default: every key is its own name.
        taken: Keys used so far, shared between a model and its layers.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], names: Mapping[str, str] | None = None, taken: set[str] | None = None
    ) -> None:
        self._weights = weights
        self._names = {key: key for key in weights} if names is None else names
        self.taken: set[str] = set() if taken is None else taken

    def layer(self, number: int) -> '_Tensors':
        """Returns the tensors of one layer, counted from 1."""
        matches = [(LAYER.fullmatch(key), key) for key in self._weights]
        names = {match[2]: key for match, key in matches if match and int(match[1]) == number - 1}
        if not names:
            raise InputError(f'LightweightViT.pretrained.layers: that model has no layer {number}')
        return _Tensors(self._weights, names, self.taken)

    def one(self, name: str) -> Tensor:
        if name not in self._names:
            raise InputError(f'LightweightViT.pretrained: that model has no {name}')
        self.taken.add(self._names[name])
        return self._weights[self._names[name]].float()

    def pair(self, part: str) -> dict[str, Tensor]:
        """Returns weight and bias; the bias is zeros where there is none, as for DINOv3's keys."""
        names = NAMES.get(part, (part,))
        name = next((name for name in names if f'{name}.weight' in self._names), names[0])
        weight = self.one(f'{name}.weight')
        has_bias = f'{name}.bias' in self._names
        return dict(weight=weight, bias=self.one(f'{name}.bias') if has_bias else torch.zeros(weight.shape[0]))
