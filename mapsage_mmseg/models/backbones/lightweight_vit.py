"""The lightweight teacher's backbone."""

from collections.abc import Sequence

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule
from mmengine.model.weight_init import trunc_normal_
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import InputError
from .dino_weights import start_from_dino


class AttentionRows(nn.Module):
    """Self-attention rows, averaged over heads. It runs only while its output is hooked."""

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """
        Args:
            query, key: (N, heads, L, head channels).

        Returns:
            (N, L, L) in float32; each row sums to 1.
        """
        with torch.autocast(query.device.type, enabled=False):
            scores = torch.matmul(query.float(), key.float().transpose(-2, -1)) * query.shape[-1] ** -0.5
            return scores.softmax(dim=-1).mean(dim=1)


class Attention(nn.Module):
    """Multi-head self-attention over (N, L, C) tokens, on ``scaled_dot_product_attention``."""

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.rows = AttentionRows()

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dims = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3, self.num_heads, dims // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if self.rows._forward_hooks:
            self.rows(query, key)
        out = F.scaled_dot_product_attention(query, key, value)
        return self.proj(out.transpose(1, 2).reshape(batch, length, dims))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, embed_dims: int, num_heads: int, mlp_ratio: float, drop_path_rate: float) -> None:
        super().__init__()
        hidden = int(embed_dims * mlp_ratio)
        self.norm1 = nn.LayerNorm(embed_dims, eps=1e-6)
        self.attn = Attention(embed_dims, num_heads)
        self.norm2 = nn.LayerNorm(embed_dims, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(embed_dims, hidden), nn.GELU(), nn.Linear(hidden, embed_dims))
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


@MODELS.register_module()
class LightweightViT(BaseModule):
    """A small vision transformer with four feature maps and a configurable stem.

    Tokens are at stride 16. The maps at strides 4 and 8 come from the stem if it has them, else from the tokens by
    transposed convolution (ViTDet's simple feature pyramid, arXiv:2203.16527); the map at stride 32 is pooled.
    Attention rows of layer ``i`` are the output of the module ``layers.i.attn.rows``, computed only while it is hooked.

    Args:
        embed_dims: Channels of a token.
        num_layers: Transformer blocks.
        num_heads: Attention heads; must divide ``embed_dims``.
        mlp_ratio: Hidden channels of the MLP, divided by ``embed_dims``.
        stem: Config of a registered stem.
        out_channels: Channels of the maps at strides 4, 8, 16 and 32; the last two must equal ``embed_dims``.
        pos_grid: Side of the learned position embedding, in tokens; it is interpolated to the input's grid.
        drop_path_rate: Stochastic depth rate of the last block; it rises linearly from 0 at the first. In [0, 1).
        pretrained: ``dict(model=...)`` starts the transformer from a DINOv2 or DINOv3 ViT-S, a name on the hub or a
            local folder (the extra ``[hf]``). ``layers=[...]`` chooses its layers, counted from 1; default: evenly
            spread. The log names the weights that are not used.

    Raises:
        InputError: Dimensions do not fit together.
    """

    def __init__(
        self,
        embed_dims: int = 384,
        num_layers: int = 8,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        stem: dict | None = None,
        out_channels: Sequence[int] = (96, 192, 384, 384),
        pos_grid: int = 8,
        drop_path_rate: float = 0.1,
        pretrained: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.pretrained = pretrained
        if embed_dims % num_heads:
            raise InputError(f'LightweightViT: num_heads={num_heads} does not divide embed_dims={embed_dims}')
        if len(out_channels) != 4 or tuple(out_channels[2:]) != (embed_dims, embed_dims):
            raise InputError(
                f'LightweightViT: out_channels={tuple(out_channels)} must be four numbers, the last two equal '
                f'to embed_dims={embed_dims}'
            )
        if not 0 <= drop_path_rate < 1:
            raise InputError(f'LightweightViT: drop_path_rate={drop_path_rate} must lie in [0, 1)')
        self.out_channels = tuple(out_channels)
        self.stem = MODELS.build(stem or dict(type='ConvStem'))
        channels4, channels8, channels16 = self.stem.channels
        self.project = nn.Identity() if channels16 == embed_dims else nn.Conv2d(channels16, embed_dims, 1)
        self.pos_embed = nn.Parameter(torch.zeros(1, embed_dims, pos_grid, pos_grid))
        rates = torch.linspace(0, drop_path_rate, num_layers).tolist()
        self.layers = nn.ModuleList(Block(embed_dims, num_heads, mlp_ratio, rate) for rate in rates)
        self.norm = nn.LayerNorm(embed_dims, eps=1e-6)
        self.map8 = self._lateral(channels8, out_channels[1]) or nn.ConvTranspose2d(embed_dims, out_channels[1], 2, 2)
        self.map4 = self._lateral(channels4, out_channels[0]) or nn.Sequential(
            nn.ConvTranspose2d(embed_dims, out_channels[1], 2, 2),
            nn.GELU(),
            nn.ConvTranspose2d(out_channels[1], out_channels[0], 2, 2),
        )

    @staticmethod
    def _lateral(before: int, after: int) -> nn.Module | None:
        return nn.Conv2d(before, after, 1) if before else None

    def init_weights(self) -> None:
        """Initialises the transformer with a truncated normal, as is usual for ViTs; stem and convolutions initialise
        themselves."""
        if self.is_init:
            return
        trunc_normal_(self.pos_embed, std=0.02)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.stem.init_weights()
        if self.pretrained:
            start_from_dino(self, **self.pretrained)
        self._is_init = True

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        if tuple(self.pos_embed.shape[-2:]) == grid:
            return self.pos_embed
        return F.interpolate(self.pos_embed, size=grid, mode='bicubic', align_corners=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """
        Args:
            x: Images (N, B, H, W), any size.

        Returns:
            Four maps (N, C, ceil(H/s), ceil(W/s)) for strides s = 4, 8, 16 and 32.
        """
        height, width = x.shape[-2:]
        stem4, stem8, stem16 = self.stem(x)
        tokens = self.project(stem16)
        grid = (tokens.shape[-2], tokens.shape[-1])
        tokens = (tokens + self._positions(grid)).flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        map16 = self.norm(tokens).transpose(1, 2).unflatten(2, grid)
        map4 = self.map4(map16 if stem4 is None else stem4)[..., : -(-height // 4), : -(-width // 4)]
        map8 = self.map8(map16 if stem8 is None else stem8)[..., : -(-height // 8), : -(-width // 8)]
        return map4, map8, map16, F.avg_pool2d(map16, 2, ceil_mode=True)
