"""Intersection over union of the student's or the teacher's prediction."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ..errors import InputError
from .fields import ABSENT, check_ignore_index, class_names, percent, prediction_and_label, present

STUDENT_FIELD = 'pred_sem_seg'


@METRICS.register_module()
class ClassIoU(BaseMetric):
    """mIoU, aAcc, mAcc and each class's IoU, in percent, from one confusion matrix.

    The values equal those of MMSegmentation's IoUMetric. In addition, each class is a separate result, and any field of
    the sample can be scored: ``ClassIoU(key='teacher_pred_sem_seg', prefix='teacher')`` scores the teacher
    (``teacher/mIoU``).

    Results: ``mIoU`` (mean over the classes in label or prediction), ``aAcc``, ``mAcc`` (mean over the classes in the
    label), and ``IoU.<class name>`` for each class. A result is NaN for a class that is in neither, and all are NaN if
    the whole set has no valid pixel. There are no results if no sample has the field, so a run without a teacher needs
    no other config.

    Args:
        key (str): Field to score. ``pred_sem_seg`` is required, any other may be absent.
        ignore_index (int): Label value that does not count.
        collect_device (str): See :mod:`~mapsage_mmseg.metrics.fields`.
        prefix (str, optional): Prefix of the results' names, followed by a slash.

    Attributes:
        areas: Correct, labelled and predicted pixels of each class in the last evaluation, (images, 3, C).

    Raises:
        InputError: The field is missing in some of the samples, sizes differ, or an index is outside the classes.
    """

    areas: torch.Tensor | None = None
    default_prefix = ''

    def __init__(
        self,
        key: str = STUDENT_FIELD,
        ignore_index: int = 255,
        collect_device: str = 'gpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not isinstance(key, str) or not key:
            raise InputError(f"ClassIoU: key={key!r}: the name of a prediction field, such as '{STUDENT_FIELD}'")
        self.key = key
        self.ignore_index = check_ignore_index(ignore_index)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Adds each sample's confusion matrix.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): With ``gt_sem_seg`` and, unless all samples lack it, ``key``; each (1, H, W).
        """
        num_classes = len(class_names(self.dataset_meta, 'ClassIoU'))
        for sample in data_samples:
            # The student's prediction is required: prediction_and_label refuses a sample without it.
            absent = self.key not in sample and self.key != STUDENT_FIELD
            self.results.append(ABSENT if absent else self._confusion(sample, num_classes))

    def _confusion(self, sample: dict, num_classes: int) -> torch.Tensor:
        """Returns the number of pixels with label i and prediction j, shape (C, C), int64, on the CPU."""
        prediction, label, valid = prediction_and_label(sample, self.key, num_classes, self.ignore_index)
        # Ignored pixels get an extra bin: boolean indexing would synchronise the GPU with the CPU.
        cell = torch.where(valid, label * num_classes + prediction, num_classes**2)
        counts = torch.bincount(cell.flatten(), minlength=num_classes**2 + 1)
        return counts[:-1].reshape(num_classes, num_classes).cpu()

    def compute_metrics(self, results: list[torch.Tensor]) -> dict[str, float]:
        """Computes the scores from the sum of the matrices.

        Args:
            results (list[Tensor]): One (C, C) matrix per sample, or empty tensors if the field was absent.

        Returns:
            dict[str, float]: Percentages, rounded to two decimals; empty if the field was absent.
        """
        matrices = present(results, self.key)
        if not matrices:
            return {}
        each = torch.stack(matrices)
        self.areas = torch.stack([each.diagonal(dim1=1, dim2=2), each.sum(dim=2), each.sum(dim=1)], dim=1)
        confusion = each.sum(dim=0).double()
        hits, labelled, predicted = confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0)
        iou = hits / (labelled + predicted - hits)
        scores = {
            'mIoU': percent(iou.nanmean()),
            'aAcc': percent(hits.sum() / labelled.sum()),
            'mAcc': percent((hits / labelled).nanmean()),
        }
        names = class_names(self.dataset_meta, 'ClassIoU')
        scores.update({f'IoU.{name}': percent(value) for name, value in zip(names, iou, strict=True)})
        return scores
