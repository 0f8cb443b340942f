"""The training tool in processes of its own, which can be killed: forked from one that has imported everything, so that
each begins within milliseconds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ZYGOTE = """
import json, os, sys
import matplotlib.pyplot, torch._dynamo, torch.utils.tensorboard  # what a training imports when it needs it
from mapsage_mmseg.commands import cli, train
print('ready', flush=True)
for line in sys.stdin:
    verb, value, log = json.loads(line)
    if verb == 'end':
        break
    if verb == 'wait':
        status = os.waitstatus_to_exitcode(os.waitpid(value, 0)[1])
        print(status, flush=True)
        continue
    child = os.fork()
    if not child:
        os.setsid()
        for handle in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), handle)
        status = cli.run(train.main, value)
        sys.stdout.flush()
        os._exit(status)
    print(child, flush=True)
"""


class Trainings:
    """Starts, watches and kills trainings; a context manager."""

    def __enter__(self) -> 'Trainings':
        self._zygote = subprocess.Popen(
            [sys.executable, '-c', ZYGOTE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._zygote.stdout.readline() == 'ready\n'
        return self

    def __exit__(self, *_) -> None:
        # Not by closing the pipe: what else was forked here, workers of data for one, may hold it open.
        self._zygote.stdin.write(json.dumps(['end', 0, '']) + '\n')
        self._zygote.stdin.close()
        self._zygote.wait()

    def _ask(self, *request) -> int:
        self._zygote.stdin.write(json.dumps(request) + '\n')
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())

    def start(self, argv: Sequence[str], log: Path) -> int:
        """Starts ``tools/train.py`` with these arguments; returns the process's number."""
        return self._ask('start', [str(argument) for argument in argv], str(log))

    def wait(self, process: int) -> int:
        """The exit status, negative for a signal."""
        return self._ask('wait', process, '')

    def train(self, argv: Sequence[str], log: Path) -> int:
        """Starts it and waits for its end."""
        return self.wait(self.start(argv, log))


def gone(process: int) -> bool:
    """Whether it has ended, waited for or not."""
    try:
        return Path(f'/proc/{process}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z'
    except OSError:
        return True


def wait_until(condition: Callable[[], object], process: int, pause: float = 0.005, patience: float = 300.0) -> bool:
    """Waits until a condition holds; returns False where the process ended before."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if condition():
            return True
        if gone(process):
            return bool(condition())
        if pause:
            time.sleep(pause)
    raise TimeoutError(f'process {process}: nothing happened for {patience:.0f} s')


def kill(process: int) -> None:
    """SIGKILL."""
    os.kill(process, signal.SIGKILL)
