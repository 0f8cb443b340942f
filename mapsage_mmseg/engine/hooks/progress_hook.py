"""A progress bar on a terminal, plain log lines elsewhere."""

import logging
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..clock import read_clock
from .scalar_hook import TITLES

BAR, WIDE = 20, 150  # columns: width of the bar; width of a terminal with room for every term


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows phase, epoch, losses, temperature and remaining time, and prints a line for every phase and validation.

    If standard error is not a terminal, it stays silent: MMEngine's log lines hold the same.

    Args:
        interval: Iterations between two updates of the losses.
    """

    priority = 'VERY_LOW'

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self._progress: Progress | None = None

    def before_train(self, runner: Runner) -> None:
        console = Console(stderr=True)
        if not (console.is_terminal and is_main_process()):
            return
        self._quiet = [
            (handler, handler.level)
            for handler in runner.logger.handlers
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
        ]
        for handler, _ in self._quiet:
            handler.setLevel(logging.WARNING)  # the log file still gets everything
        self._progress = Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(bar_width=BAR),
            MofNCompleteColumn(),
            TextColumn('{task.fields[status]}', markup=False),
            TimeRemainingColumn(),
            TextColumn('left,'),
            TimeElapsedColumn(),
            TextColumn('gone'),
            console=console,
        )
        self._wide = console.width >= WIDE
        self._task = self._progress.add_task('training', total=runner.max_iters, completed=runner.iter, status='')
        self._progress.start()
        self._phase = runner.message_hub.runtime_info.get('distill/phase')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        hub = runner.message_hub.runtime_info
        if self._progress is None or hub.get('distill/phase') == self._phase:
            return
        self._phase = hub['distill/phase']
        weights = ', '.join(f'{term} {weight:g}' for term, weight in hub.get('distill/weights', {}).items())
        self._progress.console.print(
            f'Phase {self._phase["index"]} ({self._phase["name"]}) from iteration {runner.iter + 1}: {weights}',
            highlight=False,
            markup=False,
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if self._progress is None:
            return
        self._progress.advance(self._task)
        if self.every_n_train_iters(runner, self.interval) or batch_idx == 0:
            self._progress.update(
                self._task, description=self._where(runner), status=self._losses(runner, outputs or {})
            )

    @staticmethod
    def _where(runner: Runner) -> str:
        clock = read_clock(runner)
        phase = runner.message_hub.runtime_info.get('distill/phase')
        name = f'{phase["name"]} · ' if phase else ''
        if clock.iters_per_epoch:
            return f'{name}epoch {clock.epoch + 1}/{round(clock.max_epochs)}'
        return f'{name}iteration {clock.iter + 1}/{clock.max_iters}'

    def _losses(self, runner: Runner, outputs: dict) -> str:
        hub = runner.message_hub.runtime_info
        levels = hub.get('distill/weights', {}) if self._wide else {}  # left out on a narrow terminal
        shown = {key: value for key, value in outputs.items() if key in {'loss', 'task', *levels}}
        parts = [
            f'{TITLES.get(key, key).lower()} {float(torch.as_tensor(value).detach()):.3f}'
            for key, value in shown.items()
        ]
        if 'distill/temperature' in hub and any(
            key in outputs for key in hub.get('distill/weights', {}) if key != 'task'
        ):
            parts.append(f'T {hub["distill/temperature"]:.2f}')
        return '  '.join(parts)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._progress is None or not metrics:
            return
        parts = [
            f'{name} {metrics[key]:.{digits}f}'
            for key, name, digits in (
                ('task_loss', 'task loss', 4),
                ('mIoU', 'mIoU', 2),
                ('teacher_agreement', 'agreement', 1),
            )
            if key in metrics
        ]
        self._progress.console.print(
            f'{self._where_done(runner)}: validation {", ".join(parts)}', highlight=False, markup=False
        )
        if (
            runner.iter >= runner.max_iters
        ):  # what other hooks log at the end, such as the verdict, belongs on the console
            self.stop()

    @staticmethod
    def _where_done(runner: Runner) -> str:
        clock = read_clock(runner)
        return f'epoch {clock.epoch}' if clock.iters_per_epoch else f'iteration {clock.iter}'

    def after_train(self, runner: Runner) -> None:
        self.stop()

    def after_failure(self, runner: Runner, status: str) -> None:
        self.stop()

    def stop(self) -> None:
        """Removes the bar, and restores the log levels."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            for handler, level in self._quiet:
                handler.setLevel(level)
