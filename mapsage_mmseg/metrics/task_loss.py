"""Validation task loss."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ..errors import InputError
from .fields import check_ignore_index, label_of, sample_name


@METRICS.register_module()
class TaskLoss(BaseMetric):
    """Mean cross-entropy (nats) over all valid pixels of the validation set.

    The sum over all pixels is divided by their number once, at the end, so a mostly ignored tile counts less than a
    fully labelled one. An untrained model scores about ln(number of classes).

    Result: ``task_loss``; NaN if the whole set has no valid pixel.

    Args:
        ignore_index (int): Label value that does not count.
        collect_device (str): See :mod:`~mapsage_mmseg.metrics.fields`.
        prefix (str, optional): Prefix of the result's name, followed by a slash.

    Raises:
        InputError: A sample has no logits or no label, or a label is out of range.
    """

    default_prefix = ''

    def __init__(self, ignore_index: int = 255, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = check_ignore_index(ignore_index)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Adds each sample's sum of cross-entropies and number of valid pixels.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): With ``seg_logits`` (C, h, w), C = 1 for a sigmoid head, and ``gt_sem_seg``
                (1, H, W).
        """
        for sample in data_samples:
            self.results.append(self._loss_and_count(sample))

    def _loss_and_count(self, sample: dict) -> torch.Tensor:
        """Returns (sum of cross-entropies, valid pixels), shape (2,), float64, on the CPU."""
        if 'seg_logits' not in sample:
            raise InputError(f'TaskLoss: {sample_name(sample)}: no seg_logits: the model must return its logits')
        logits = sample['seg_logits']['data'].float()
        if logits.ndim != 3:
            raise InputError(f'TaskLoss: seg_logits has the shape {tuple(logits.shape)}: (C, H, W) is needed')
        if logits.shape[0] == 1:  # one sigmoid channel z: softmax over (0, z) has the same probabilities
            logits = torch.cat([torch.zeros_like(logits), logits])
        label, valid = label_of(sample, logits.device, logits.shape[0], self.ignore_index)
        logits = logits[None]
        if logits.shape[-2:] != label.shape:
            logits = F.interpolate(logits, size=tuple(label.shape), mode='bilinear', align_corners=False)
        loss = F.cross_entropy(logits, label[None], ignore_index=self.ignore_index, reduction='sum')
        count = valid.sum()
        # float64 on the CPU: sums over a data set exceed the precision of float32, and some devices have no float64
        return torch.stack([loss.cpu().double(), count.cpu().double()])

    def compute_metrics(self, results: list[torch.Tensor]) -> dict[str, float]:
        """Divides the total by the number of valid pixels.

        Args:
            results (list[Tensor]): One (2,) tensor per sample.

        Returns:
            dict[str, float]: ``task_loss`` in nats per pixel, or NaN without a valid pixel.
        """
        if not results:
            return {'task_loss': float('nan')}
        loss, count = torch.stack(results).sum(dim=0)
        return {'task_loss': float(loss / count)}
