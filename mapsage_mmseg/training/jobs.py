"""Trainings in separate processes."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from mmengine.config import Config

# A process that a script starts in the background ignores SIGINT, and so would its children.
BOOT = (
    'import signal; signal.signal(signal.SIGINT, signal.default_int_handler); '
    'import sys; from mapsage_mmseg.commands import train; sys.exit(train.child(sys.argv[1:]))'
)
CONSOLE = 'console.txt'  # in the run directory: the process's output
PATIENCE = 60.0  # seconds that an interrupted training has to write its record
POLL = 0.5  # seconds


class Job(Protocol):
    """A job for :func:`run_all`."""

    def start(self, environment: Mapping[str, str]) -> subprocess.Popen | None:
        """Starts the process; returns None if there is nothing to do."""

    def ended(self, status: int) -> None:
        """Handles the end of the process, given its exit status."""


def start(argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen:
    """Starts a training with the arguments of ``tools/train.py``.

    The process has a session of its own: Ctrl-C at the terminal reaches only the caller, which has to :func:`stop` it.

    Args:
        argv: The arguments.
        log: File to which the process's output is appended.
        environment: Variables besides the caller's.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'ab') as file:
        return subprocess.Popen(
            [sys.executable, '-c', BOOT, *argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )


def stop(processes: Sequence[subprocess.Popen]) -> None:
    """Interrupts trainings as Ctrl-C does, and waits until they have written their records; kills those that take
    too long."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    try:
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP (a closed terminal) interrupt the caller as Ctrl-C does, within the context."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_all(jobs: Sequence[Job], environments: Sequence[Mapping[str, str]]) -> None:
    """Runs jobs in order, as many at a time as there are environments; stops all of them when it is interrupted."""
    waiting, running = deque(jobs), dict[int, tuple[Job, subprocess.Popen]]()
    try:
        while waiting or running:
            for slot, environment in enumerate(environments):
                if slot in running and (status := running[slot][1].poll()) is not None:
                    running.pop(slot)[0].ended(status)
                while slot not in running and waiting:
                    job = waiting.popleft()
                    if process := job.start(environment):
                        running[slot] = job, process
            time.sleep(POLL)
    except BaseException:
        stop([process for _, process in running.values()])
        raise


def environments(count: int) -> list[dict[str, str]]:
    """Returns environments for ``count`` jobs at a time: CUDA devices are assigned in turn, CPU threads are divided."""
    devices = torch.cuda.device_count()
    if devices > 1:
        visible = os.environ.get('CUDA_VISIBLE_DEVICES', '')
        names = visible.split(',') if visible else [str(device) for device in range(devices)]
        return [{'CUDA_VISIBLE_DEVICES': names[slot % devices]} for slot in range(count)]
    if devices == 0 and count > 1 and 'OMP_NUM_THREADS' not in os.environ:
        return [{'OMP_NUM_THREADS': str(max(1, len(os.sched_getaffinity(0)) // count))}] * count
    return [{}] * count


def train_apart(config: Config) -> None:
    """Trains a config that has its work_dir, such as a teacher's, in a separate process, to free its memory.

    Raises:
        RuntimeError: The training failed; the message holds the last line of its output and the path of the log.
    """
    folder = Path(config.work_dir)
    config.dump(str(folder / 'config.py'))
    resume = ['--resume'] if config.resume else []
    print(f'Training in {folder}; its lines are in {folder / CONSOLE}', flush=True)
    process = start([str(folder / 'config.py'), '--work-dir', str(folder), *resume], folder / CONSOLE)
    try:
        status = process.wait()
    except BaseException:
        stop([process])
        raise
    if status:
        raise RuntimeError(f'{folder}: {last_words(folder / CONSOLE)}')


def last_words(log: Path) -> str:
    """Returns the last line of a process's output, and the file that holds the rest."""
    lines = log.read_text(errors='replace').split('\n') if log.is_file() else []
    return f'{next((line for line in reversed(lines) if line.strip()), "it said nothing")}; see {log}'
