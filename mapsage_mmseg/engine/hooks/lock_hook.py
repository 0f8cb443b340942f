"""Lock of a run directory against a second process."""

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS

from ...folder_lock import RunLock


@HOOKS.register_module()
class LockHook(Hook):
    """Locks ``<work_dir>`` while a training runs in it.

    Raises:
        InputError: Another process is training there.
    """

    priority = 'VERY_HIGH'  # before anything is read or written there

    def __init__(self) -> None:
        self._lock: RunLock | None = None

    def before_run(self, runner: Runner) -> None:
        if isinstance(runner._train_loop, BaseLoop) and is_main_process():
            self._lock = RunLock(runner.work_dir)
            self._lock.acquire()

    def after_run(self, runner: Runner) -> None:
        if self._lock is not None:
            self._lock.release()

    def after_failure_noted(self, runner: Runner) -> None:
        self.after_run(runner)
