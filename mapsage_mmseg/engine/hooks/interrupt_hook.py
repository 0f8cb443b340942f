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
LONGEST = 60  # seconds that a worker continues for after a signal
AGREE = 10  # iterations between two times that processes ask one another, which costs a synchronisation


class LastingWorker:
    """A ``worker_init_fn`` with which a worker of the data outlives the first signal, which terminals and clusters
    send to it too, until the step that needs it is done. (torch's workers die of SIGTERM, and the training with them.)

    It does not outlive it by more than ``LONGEST`` seconds: Python ends what is left of its children with one SIGTERM,
    and waits for them.

    Args:
        init: What else a worker does when it begins.
        signals: Their numbers.
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
        signal.signal(number, signal.SIG_DFL)  # it acts whatever the process is waiting for


@HOOKS.register_module()
class InterruptHook(Hook):
    """SIGINT (Ctrl-C) and SIGTERM (a cluster's preemption) finish the step, save, mark the record ``interrupted`` and
    end the process with exit status 1; a second signal ends it at once.

    A validation is left behind the image under way, and made up by the resume. A signal that the process ignores, under
    nohup for one, stays ignored.

    Raises:
        RunInterrupted: After a signal, when all is saved.
    """

    priority = 'LOWEST'  # behind the checkpoint of the same moment

    def __init__(self) -> None:
        self._came: int | None = None
        self._former: dict[int, Any] = {}
        self._process = os.getpid()
        self._loaders: list[DataLoader] = []

    def before_train(self, runner: Runner) -> None:
        if threading.current_thread() is not threading.main_thread():  # Python sets handlers in that one alone
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
        if os.getpid() == self._process:  # and no worker that has just been forked
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
        if isinstance(runner._train_loop, BaseLoop) and runner.iter < runner.max_iters:  # else it is as good as done
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
        command = (runner.cfg.get('commands') or {}).get('train')
        how = (
            f'continue with: {command} --resume --work-dir {shlex.quote(runner.work_dir)}'
            if command
            else 'continue with --resume'
        )
        raise RunInterrupted(f'interrupted by {name} after iteration {iteration}; {how}')

    def after_train(self, runner: Runner) -> None:
        self.restore()

    def after_failure(self, runner: Runner, status: str) -> None:
        self.restore()

    def restore(self) -> None:
        """Gives signals back to whom they belonged, and ends the data's workers, which would outlive Python's call to
        end."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}
        for loader in self._loaders:
            if isinstance(loader._iterator, _MultiProcessingDataLoaderIter):  # persists; others end with their epoch
                loader._iterator._shutdown_workers()
                loader._iterator = None
        self._loaders = []
