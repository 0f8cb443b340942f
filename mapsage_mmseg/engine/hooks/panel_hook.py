"""Image panels: image, label, teacher, student, and where the student is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...visualization import grid, panel


@HOOKS.register_module()
class PanelHook(Hook):
    """Draws a few validation images for TensorBoard.

    Args:
        images: How many, evenly spread over the validation set.
        interval: Draw at every so many validations, and at the last.
    """

    priority = 'LOW'

    def __init__(self, images: int = 4, interval: int = 5) -> None:
        self.images = images
        self.interval = interval
        self._rows: list[np.ndarray] = []
        self._validations = 0

    def before_val_epoch(self, runner: Runner) -> None:
        self._rows = []
        count = len(runner.val_dataloader)
        self._chosen = set(np.linspace(0, count - 1, min(self.images, count)).round().astype(int).tolist())
        loop = runner.train_loop if runner._train_loop is not None and not isinstance(runner._train_loop, dict) else None
        now = (runner.epoch if isinstance(loop, EpochBasedTrainLoop) else self._validations + 1) if loop else 1
        last = loop is not None and runner.iter >= runner.max_iters
        self._validations += 1
        self._due = loop is not None and (last or (now - 1) % self.interval == 0)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None) -> None:
        if not self._due or batch_idx not in self._chosen or not outputs:
            return
        sample = outputs[0]
        image = data_batch['inputs'][0].permute(1, 2, 0).cpu().numpy()[..., ::-1]  # BGR, as mmcv reads it
        predictions = {}
        if 'teacher_pred_sem_seg' in sample:
            predictions['teacher'] = _labels(sample.teacher_pred_sem_seg)
        predictions['student'] = _labels(sample.pred_sem_seg)
        meta = runner.visualizer.dataset_meta or {}
        self._rows.append(panel(np.ascontiguousarray(image), _labels(sample.gt_sem_seg), predictions,
                                palette=meta['palette'], classes=meta['classes']))

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        if self._rows:
            runner.visualizer.add_image('Images/Validation', grid(self._rows), runner.iter)
            self._rows = []


def _labels(pixels: Any) -> np.ndarray:
    return pixels.data.squeeze(0).cpu().numpy()
