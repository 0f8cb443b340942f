"""Image panels: image, label, teacher, student, and where the student is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS
from PIL import Image

from ...errors import InputError
from ...imagery import Bands
from ...visualization.panels import grid, panel
from ...visualization.pictures import NO_CLASS, write_picture


@HOOKS.register_module()
class PanelHook(Hook):
    """Draws a few images: for TensorBoard in validation, as PNG files under ``<work_dir>/pictures`` in a test.

    Every validation during training also writes them to ``<work_dir>/pictures/<image>/``, over those of the one before:
    ``image.jpg``, and the class indices as ``label.png``, ``teacher.png`` and ``student.png``. Reports are made from
    these files.

    Args:
        images: Number of images, evenly spread over the data set.
        interval: In training, images are drawn for TensorBoard at the first validation, at every ``interval``-th after
            it, and at the last.
        name: Title of the predictions.
    """

    priority = 'LOW'

    def __init__(self, images: int = 4, interval: int = 5, name: str = 'student') -> None:
        if images < 0 or interval < 1:
            raise InputError(f'PanelHook: images={images} must be 0 or more, and interval={interval} 1 or more')
        self.images, self.interval, self.name = images, interval, name
        self._chosen: set[int] = set()
        self._rows: list[np.ndarray] = []
        self._drawing = False

    def before_val_epoch(self, runner: Runner) -> None:
        training = isinstance(runner._train_loop, BaseLoop)  # not a validation by itself
        self._chosen = self._spread(len(runner.val_dataloader)) if training and is_main_process() else set()
        self._drawing = training and self._due(runner)

    def _due(self, runner: Runner) -> bool:
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        done = runner.epoch if by_epoch else runner.iter
        number = done // loop.val_interval  # type: ignore[attr-defined]
        return runner.iter >= runner.max_iters or (number - 1) % self.interval == 0

    def _spread(self, count: int) -> set[int]:
        return set(np.linspace(0, count - 1, min(self.images, count)).round().astype(int).tolist())

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        if batch_idx not in self._chosen or not outputs:
            return
        self._keep(runner, batch_idx, data_batch, outputs)
        if self._drawing:
            self._rows.append(self._row(runner, data_batch, outputs, legend=len(self._rows) + 1 == len(self._chosen)))

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        if self._rows:
            runner.visualizer.add_image('Images/Validation', grid(self._rows), runner.iter)
            self._rows = []

    def before_test_epoch(self, runner: Runner) -> None:
        self._chosen = self._spread(len(runner.test_dataloader)) if is_main_process() else set()

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        if batch_idx not in self._chosen or not outputs:
            return
        folder = Path(runner.work_dir) / 'pictures'
        folder.mkdir(parents=True, exist_ok=True)
        picture = self._row(runner, data_batch, outputs, legend=True)
        Image.fromarray(picture).save(folder / f'{_stem(outputs[0], batch_idx)}.png')

    def _keep(self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence) -> None:
        meta = runner.visualizer.dataset_meta or {}
        palette = meta['palette']
        if len(palette) > NO_CLASS:  # more classes than a palette file holds
            return
        folder = Path(runner.work_dir) / 'pictures' / _stem(outputs[0], batch_idx)
        maps = {'label': _labels(outputs[0].gt_sem_seg), **self._predictions(outputs[0], 'student')}
        try:
            write_picture(folder, _photograph(data_batch, Bands.of(meta)), maps, palette)
        except OSError as error:
            runner.logger.warning(f'{folder} could not be written ({error.strerror})')
            self._chosen = set()  # warns once per validation

    def _row(self, runner: Runner, data_batch: Any, outputs: Sequence, legend: bool) -> np.ndarray:
        meta = runner.visualizer.dataset_meta or {}
        return panel(
            _photograph(data_batch, Bands.of(meta)),
            _labels(outputs[0].gt_sem_seg),
            self._predictions(outputs[0], self.name),
            palette=meta['palette'],
            classes=meta['classes'],
            legend=legend,
        )

    @staticmethod
    def _predictions(sample: Any, name: str) -> dict[str, np.ndarray]:
        fields = {'teacher': 'teacher_pred_sem_seg', name: 'pred_sem_seg'}
        return {key: _labels(sample.get(field)) for key, field in fields.items() if field in sample}


def _photograph(data_batch: Any, bands: Bands | None) -> np.ndarray:
    image = data_batch['inputs'][0].permute(1, 2, 0).cpu().numpy()
    if bands is not None:
        return bands.picture(image)
    return np.ascontiguousarray(image[..., ::-1])  # BGR, as mmcv reads it


def _stem(sample: Any, batch_idx: int) -> str:
    """Returns the name of an image's pictures; tiles with the same name in two folders get different ones."""
    path = Path(sample.metainfo.get('img_path') or f'{batch_idx:06d}')
    parts = path.parts[path.parts.index('img_dir') + 2 : -1] if 'img_dir' in path.parts else ()
    return '__'.join([*parts, path.stem])


def _labels(pixels: Any) -> np.ndarray:
    return pixels.data.squeeze(0).cpu().long().numpy()  # a sigmoid head predicts floats of 0 and 1
