"""Image panels: image, label, teacher, student, and where the student is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS
from PIL import Image

from ...errors import InputError
from ...visualization import grid, panel


@HOOKS.register_module()
class PanelHook(Hook):
    """Draws a few images: for TensorBoard in validation, as PNG files under ``<work_dir>/pictures`` in a test.

    Args:
        images: How many, evenly spread over the data set.
        interval: In training, draw at the first validation, at every so many after it, and at the last.
        name: What the predictions are called.
    """

    priority = 'LOW'

    def __init__(self, images: int = 4, interval: int = 5, name: str = 'student') -> None:
        if images < 0 or interval < 1:
            raise InputError(f'PanelHook: images={images} must be 0 or more, and interval={interval} 1 or more')
        self.images, self.interval, self.name = images, interval, name
        self._chosen: set[int] = set()
        self._rows: list[np.ndarray] = []

    def before_val_epoch(self, runner: Runner) -> None:
        self._chosen = self._spread(len(runner.val_dataloader)) if self._due(runner) else set()

    def _due(self, runner: Runner) -> bool:
        loop = runner._train_loop
        if not isinstance(loop, BaseLoop):  # a validation by itself
            return False
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        done = runner.epoch if by_epoch else runner.iter
        number = done // loop.val_interval  # type: ignore[attr-defined]
        return runner.iter >= runner.max_iters or (number - 1) % self.interval == 0

    def _spread(self, count: int) -> set[int]:
        return set(np.linspace(0, count - 1, min(self.images, count)).round().astype(int).tolist())

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        if batch_idx in self._chosen and outputs:
            self._rows.append(self._row(runner, data_batch, outputs, legend=len(self._rows) + 1 == len(self._chosen)))

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        if self._rows:
            runner.visualizer.add_image('Images/Validation', grid(self._rows), runner.iter)
            self._rows = []

    def before_test_epoch(self, runner: Runner) -> None:
        self._chosen = self._spread(len(runner.test_dataloader))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        if batch_idx not in self._chosen or not outputs:
            return
        folder = Path(runner.work_dir) / 'pictures'
        folder.mkdir(parents=True, exist_ok=True)
        name = Path(outputs[0].metainfo.get('img_path') or f'{batch_idx:06d}').stem
        Image.fromarray(self._row(runner, data_batch, outputs, legend=True)).save(folder / f'{name}.png')

    def _row(self, runner: Runner, data_batch: Any, outputs: Sequence, legend: bool) -> np.ndarray:
        sample = outputs[0]
        image = data_batch['inputs'][0].permute(1, 2, 0).cpu().numpy()[..., ::-1]  # BGR, as mmcv reads it
        predictions = {}
        if 'teacher_pred_sem_seg' in sample:
            predictions['teacher'] = _labels(sample.teacher_pred_sem_seg)
        predictions[self.name] = _labels(sample.pred_sem_seg)
        meta = runner.visualizer.dataset_meta or {}
        return panel(
            np.ascontiguousarray(image),
            _labels(sample.gt_sem_seg),
            predictions,
            palette=meta['palette'],
            classes=meta['classes'],
            legend=legend,
        )


def _labels(pixels: Any) -> np.ndarray:
    return pixels.data.squeeze(0).cpu().numpy()
