"""A segmentor as one function of raw pixels, for export and for whole scenes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...imagery import Bands
from ...models.normalisation import channels
from ...models.segmentors.multi_level_distill import last_head

SMALLEST = 32  # pixels of a side: the last stride of most backbones


class PixelsToLogits(nn.Module):
    """Normalisation, padding, the model, and resizing back to the image's size.

    Args:
        segmentor: An encoder-decoder of MMSegmentation with a ``SegDataPreProcessor``, in eval mode. Its ``test_cfg``
            is ignored: the whole image is predicted at once.
        bands: Bands that it was trained on, if these are not RGB of 8 bits.

    Raises:
        InputError: Its data preprocessor pads to a fixed size above 32, or its head has one channel for two classes.
    """

    def __init__(self, segmentor: Any, bands: Bands | None = None) -> None:
        super().__init__()
        prepare = segmentor.data_preprocessor
        padding = prepare.test_cfg or {}
        smallest = padding.get('size')  # size to which small images are padded; a predictor does so itself
        if smallest and max(smallest) > SMALLEST:
            raise InputError(f'data_preprocessor.test_cfg.size={smallest!r}: give size_divisor, for any size')
        head = last_head(segmentor)
        if head.out_channels < 2:
            raise InputError('decode_head.out_channels=1: a head with one channel a class is needed')
        self.segmentor = segmentor
        self.align_corners = bool(head.align_corners)
        self.divisor = int(padding.get('size_divisor') or 1)
        self.fill = float(prepare.pad_val)
        # MMSegmentation reads images as BGR: the model sees RGB only where its preprocessor swaps them.
        self.order = 'bands' if bands else 'RGB' if prepare.channel_conversion else 'BGR'
        self.channels, self.dtype = channels(prepare), torch.float32 if bands else torch.uint8
        normalises = prepare._enable_normalize
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer('mean', prepare.mean.view(1, -1, 1, 1) if normalises else torch.zeros(1, 1, 1, 1))
        self.register_buffer('std', prepare.std.view(1, -1, 1, 1) if normalises else torch.ones(1, 1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Computes logits.

        Args:
            image: (N, H, W, 3), uint8, RGB; or (N, H, W, B), float32, the bands as they are.

        Returns:
            (N, C, H, W), float32.
        """
        x = image.permute(0, 3, 1, 2).float()
        if self.order == 'BGR':
            x = x.flip(1)
        x = (x - self.mean) / self.std
        height, width = image.shape[1], image.shape[2]
        rows, columns = self._padded(height), self._padded(width)
        x = F.pad(x, (0, columns - width, 0, rows - height), value=self.fill)
        logits = self._logits(x)
        logits = F.interpolate(logits, size=(rows, columns), mode='bilinear', align_corners=self.align_corners)
        return logits[:, :, :height, :width]

    def _logits(self, x: Tensor) -> Tensor:
        features, heads = self.segmentor.extract_feat(x), self.segmentor.decode_head
        if not isinstance(heads, nn.ModuleList):
            return heads(features)
        logits = heads[0](features)  # in a cascade, each head refines the logits of the one before
        for head in heads[1:]:
            logits = head(features, logits)
        return logits

    def example(self) -> Tensor:
        """Returns two images of zeros as input of the graph."""
        return torch.zeros(2, 96, 160, self.channels, dtype=self.dtype)

    def _padded(self, length: int) -> int:
        return (length + self.divisor - 1) // self.divisor * self.divisor
