"""Bounds the history that MMEngine keeps of each logged value."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...errors import InputError

EVERY = 100  # steps between two checks: values that are logged for the first time come with MMEngine's own bound


@HOOKS.register_module()
class HistoryHook(Hook):
    """Keeps the last ``steps`` values, or those of one epoch if it has more.

    MMEngine keeps a million of each, copies them at every step and writes them into every checkpoint. In a long run, a
    step ends up spending more time on that than a small student spends on its forward. A ``log_processor`` with a
    ``'global'`` window needs all values; then this hook does nothing.

    Args:
        steps: At least 1, and more than the largest window of the ``log_processor``.
    """

    priority = 'VERY_LOW'

    def __init__(self, steps: int = 1000) -> None:
        if not isinstance(steps, int) or steps < 1:
            raise InputError(f'HistoryHook: steps={steps!r} must be a whole number from 1')
        self.steps = steps

    def before_train(self, runner: Runner) -> None:
        windows = [custom.get('window_size') for custom in runner.log_processor.custom_cfg]
        epoch = len(runner.train_dataloader) if isinstance(runner.train_loop, EpochBasedTrainLoop) else 0
        self._keep = None if 'global' in windows else max(self.steps, epoch)
        self._bound(runner)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if self.every_n_train_iters(runner, EVERY):
            self._bound(runner)

    def _bound(self, runner: Runner) -> None:
        if self._keep:
            for history in runner.message_hub.log_scalars.values():
                history.max_length = self._keep
