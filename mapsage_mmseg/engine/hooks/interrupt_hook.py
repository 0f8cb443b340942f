"""Orderly end of a run at SIGINT or SIGTERM."""

import os
import shlex
import signal
import threading
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from ...errors import RunInterrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LONGEST = 60  # seconds that a worker continues after a signal
AGREE = 10  # iterations between two checks across processes, each of which costs a synchronisation


class LastingWorker:
    """A ``worker_init_fn`` that lets a data worker survive the first signal until the current step is done.

    Terminals and clusters send signals to workers too. torch's workers die of SIGTERM, and the training with them.

    A worker survives a signal by at most ``LONGEST`` seconds: at exit, Python sends its remaining children one SIGTERM
    and waits for them.

    Args:
        init: Another function that a worker calls when it starts.
        signals: Signal numbers.
    """

    def __init__(self, init: Callable[[int], None] | None, signals: tuple[int, ...]) -> None:
        self._init, self._signals = init, signals

    def __call__(self, worker: int) -> None:
        if self._init is not None:
            self._init(worker)
        for number in self._signals:
            signal.signal(number, self._first)

    def _first(self, *_: Any) -> None:
        _second_one_kills(self._signals)
        signal.alarm(LONGEST)


def _second_one_kills(signals: tuple[int, ...]) -> None:
    for number in signals:
        signal.signal(number, signal.SIG_DFL)  # takes effect whatever the process is waiting for


@HOOKS.register_module()
class InterruptHook(Hook):
    """Ends a run in an orderly way at SIGINT (Ctrl-C) or SIGTERM (a cluster's preemption).

    The first signal finishes the step, saves a checkpoint, marks the record ``interrupted`` and ends the process with
    exit status 1. A second signal ends it at once.

    A validation stops after the current image, and is made up when the run is resumed. With several processes, the run
    stops within ``AGREE`` iterations, or at the end of the validation. Signals that the process ignores, as under
    nohup, stay ignored.

    Raises:
        RunInterrupted: After a signal, once everything is saved.
    """

    priority = 'LOWEST'  # after the checkpoint of the same iteration

    def __init__(self) -> None:
        self._came: int | None = None
        self._former: dict[int, Any] = {}
        self._process = os.getpid()
        self._loaders: list[DataLoader] = []

    def before_train(self, runner: Runner) -> None:
        if threading.current_thread() is not threading.main_thread():  # Python sets handlers only there
            return
        self._came, self._process, self._loaders = None, os.getpid(), []
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        self._former = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in self._former:
            signal.signal(number, self._note)
        for loop in (runner._train_loop, runner._val_loop) if self._former else ():
            if isinstance(loop, BaseLoop):
                loop.dataloader.worker_init_fn = LastingWorker(loop.dataloader.worker_init_fn, tuple(self._former))
                self._loaders.append(loop.dataloader)

    def _note(self, number: int, frame: Any) -> None:
        self._came = number
        _second_one_kills(tuple(self._former))
        if os.getpid() == self._process:  # not in a worker that was just forked
            name = signal.Signals(number).name
            os.write(2, f'\n{name}: finishing the step, then saving; a second signal ends at once\n'.encode())

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        ends = isinstance(runner.train_loop, EpochBasedTrainLoop) and self.end_of_epoch(
            runner.train_dataloader, batch_idx
        )
        if not ends and self._agreed(runner.iter):
            self._stop(runner, runner.epoch, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, EpochBasedTrainLoop) and self._agreed():
            self._stop(runner, runner.epoch + 1, runner.iter)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if get_world_size() == 1:
            self._in_validation(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if isinstance(runner._train_loop, BaseLoop) and runner.iter < runner.max_iters:  # else training is complete
            self._in_validation(runner)

    def _in_validation(self, runner: Runner) -> None:
        if self._agreed():
            self._stop(runner, runner.epoch, runner.iter)

    def _agreed(self, step: int = 0) -> bool:
        if get_world_size() == 1:
            return self._came is not None
        if step % AGREE:
            return False
        came = torch.tensor(int(self._came is not None))
        all_reduce(came, 'max')
        return bool(came)

    def _stop(self, runner: Runner, epoch: int, iteration: int) -> None:
        name = 'a signal' if self._came is None else signal.Signals(self._came).name
        runner.call_hook('before_interruption', epoch=epoch, iteration=iteration)
        runner.call_hook('after_failure', status='interrupted')
        runner.visualizer.close()
        command = (runner.cfg.get('commands') or {}).get('resume')
        if command and not runner.cfg.get('publish_teacher'):
            command += f' --work-dir {shlex.quote(runner.work_dir)}'
        how = f'continue with: {command}' if command else 'continue with --resume'
        raise RunInterrupted(f'interrupted by {name} after iteration {iteration}; {how}')

    def after_train(self, runner: Runner) -> None:
        self.restore()

    def after_failure(self, runner: Runner, status: str) -> None:
        self.restore()

    def restore(self) -> None:
        """Restores the former signal handlers, and ends the data workers, which would survive the signal that Python
        sends at exit."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}
        for loader in self._loaders:
            if isinstance(loader._iterator, _MultiProcessingDataLoaderIter):  # persistent; others end with their epoch
                loader._iterator._shutdown_workers()
                loader._iterator = None
        self._loaders = []
