"""Agreement between the student's and the teacher's predictions."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from .fields import ABSENT, check_ignore_index, class_names, percent, prediction_and_label, present

TEACHER_FIELD = 'teacher_pred_sem_seg'


@METRICS.register_module()
class TeacherAgreement(BaseMetric):
    """Percentage of valid pixels where student and teacher predict the same class, right or wrong.

    Result: ``teacher_agreement``; NaN if the whole set has no valid pixel. There is no result if no sample has the
    teacher's prediction (``teacher_pred_sem_seg``), as in a run without a teacher.

    Args:
        ignore_index (int): Label value that does not count.
        collect_device (str): See :mod:`~mapsage_mmseg.metrics.fields`.
        prefix (str, optional): Prefix of the result's name, followed by a slash.

    Raises:
        InputError: The teacher's prediction is missing in some of the samples, or sizes differ.
    """

    default_prefix = ''

    def __init__(self, ignore_index: int = 255, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = check_ignore_index(ignore_index)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Adds each sample's number of agreeing and of valid pixels.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): With ``pred_sem_seg``, ``gt_sem_seg`` and optionally
                ``teacher_pred_sem_seg``, each (1, H, W).
        """
        num_classes = len(class_names(self.dataset_meta, 'TeacherAgreement'))
        for sample in data_samples:
            absent = TEACHER_FIELD not in sample
            self.results.append(ABSENT if absent else self._counts(sample, num_classes))

    def _counts(self, sample: dict, num_classes: int) -> torch.Tensor:
        """Returns (agreeing pixels, valid pixels), shape (2,), int64, on the CPU."""
        student, _, valid = prediction_and_label(sample, 'pred_sem_seg', num_classes, self.ignore_index)
        teacher, _, _ = prediction_and_label(sample, TEACHER_FIELD, num_classes, self.ignore_index)
        agree = (student == teacher.to(student.device)) & valid
        return torch.stack([agree.sum(), valid.sum()]).cpu()

    def compute_metrics(self, results: list[torch.Tensor]) -> dict[str, float]:
        """Divides the agreeing pixels by the valid ones, over the whole set.

        Args:
            results (list[Tensor]): One (2,) tensor per sample, or empty tensors without a teacher.

        Returns:
            dict[str, float]: ``teacher_agreement`` in percent, rounded to two decimals; empty without a teacher.
        """
        counts = present(results, TEACHER_FIELD)
        if not counts:
            return {}
        agree, valid = torch.stack(counts).sum(dim=0).double()
        return {'teacher_agreement': percent(agree / valid)}
