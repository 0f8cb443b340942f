"""The drill: a training is killed at random moments, resumed each time, and ends as one that was never disturbed.

    python -m tests.drill --kills 20 --seed 0

Nothing in the product takes part in it: kills are by the clock, or by what can be seen in the run directory.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import mapsage_mmseg.register  # noqa: F401
from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.evaluation.record import read_record
from tests import runs, tiny, tool_process

EPOCHS = 4
CONFIG = """
_base_ = {base!r}
model = dict(_delete_=True, **{model!r})
experiment = 'drill'
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs={epochs}, val_interval=1)
param_scheduler = [dict(
    type='CosineAnnealingLR', eta_min_ratio=0.01, T_max={epochs}, begin=0, end={epochs}, by_epoch=True,
    convert_to_iter_based=True)]
train_dataloader = dict(
    batch_size=2, num_workers={workers}, persistent_workers={workers} > 0, dataset=dict(size=64, length=12))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=64, length=4))
test_dataloader = val_dataloader
experiments = {experiments!r}
# A report costs a second or two that the drill can do without.
default_hooks = dict(report=dict(_delete_=True, type='EmptyCacheHook'), scalars=dict(interval=1), phases=dict(phases=[
    dict(begin=1, end=2, weights=dict(task=1.0)), dict(begin=3, weights=dict(task=1.0, distill=0.5, feature=0.5))]))
"""


def write_config(folder: Path, workers: int = 0) -> Path:
    """A distillation of 4 epochs of 6 iterations, each with a validation of 4 images."""
    model = tiny.distill()
    model.teacher_ckpt = str(runs.make_teacher(folder))
    model.teacher_check = 'warn'
    path = folder / 'drill.py'
    base = str(Path(__file__).parents[1] / 'configs/distill/improved.py')
    experiments = str(folder / 'experiments')
    path.write_text(
        CONFIG.format(base=base, model=model.to_dict(), epochs=EPOCHS, workers=workers, experiments=experiments)
    )
    return path


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


class Drill:
    """Kills one training after another.

    Args:
        trainings: What starts processes.
        folder: Where all of it happens.
        seed: Of the moments.
    """

    def __init__(self, trainings: tool_process.Trainings, folder: Path, seed: int, workers: int = 0) -> None:
        self.trainings, self.folder, self.draw = trainings, folder, random.Random(seed)
        self.config = write_config(folder, workers)
        self.log = folder / 'console.txt'
        self.kinds: Counter[str] = Counter()  # of the kills that hit a process at that moment
        self.runs = 0
        began = time.monotonic()
        assert trainings.train([self.config, '--work-dir', self.undisturbed], self.log) == 0, self.log.read_text()
        self.seconds = time.monotonic() - began

    @property
    def undisturbed(self) -> Path:
        return self.folder / 'undisturbed'

    @property
    def run(self) -> Path:
        return self.folder / f'run{self.runs}'

    def kill_all(self, moments: list[str]) -> None:
        """A kill at each of these moments, in runs that are resumed until they end, and compared then."""
        for moment in moments:
            while not self._kill_at(moment):
                self._end()
        if self.run.exists():
            self.finish()

    def start(self) -> int:
        """Begins the run, or resumes it."""
        begun = (self.run / '.lock').is_file()
        return self.trainings.start([self.config, '--work-dir', self.run, *(['--resume'] if begun else [])], self.log)

    def finish(self) -> None:
        """Goes on with the run to its end, and compares."""
        assert self.trainings.wait(self.start()) == 0, self.log.read_text()[-3000:]
        self._end()

    def _kill_at(self, moment: str) -> bool:
        """Returns False where the run came to its end first."""
        process = self.start()
        hit = getattr(self, f'_{moment}')(process)
        if hit:
            tool_process.kill(process)
        status = self.trainings.wait(process)
        assert status in ((0, -9) if hit else (0,)), self.log.read_text()[-3000:]
        if status == 0:
            return False
        partial = any(name.endswith('.partial') for name in _names(self.run / 'checkpoints'))
        self.kinds['half a checkpoint on the disk' if partial else moment] += 1
        return True

    def _any_time(self, process: int) -> bool:
        time.sleep(self.draw.uniform(0.0, self.seconds))
        return not tool_process.gone(process)

    def _writing(self, process: int) -> bool:
        """While a checkpoint is being written."""
        folder = self.run / 'checkpoints'
        return self._watch(lambda: any(name.endswith('.partial') for name in _names(folder)), process)

    def _written(self, process: int) -> bool:
        """Between the steps that follow on a checkpoint: it is named, the former one goes."""
        before = _names(self.run / 'checkpoints')
        new = lambda: any(name.endswith('.pth') for name in _names(self.run / 'checkpoints') - before)  # noqa: E731
        return self._watch(new, process)

    def _mid_epoch(self, process: int) -> bool:
        """Behind a validation, within the next epoch."""
        before = self.validated()
        seen = self._watch(lambda: self.validated() > before, process, pause=0.002)
        time.sleep(self.draw.uniform(0.0, self._epoch_seconds()))
        return seen and not tool_process.gone(process)

    def _validating(self, process: int) -> bool:
        """As soon as a validation leaves a picture of its first image."""
        before = self.pictured()
        return self._watch(lambda: self.pictured() != before, process)

    def _watch(self, condition: Callable[[], object], process: int, pause: float = 0.0) -> bool:
        return tool_process.wait_until(condition, process, pause)

    def validated(self) -> int:
        """Validations that the record knows of."""
        record = read_record(self.run / 'result.json') or {}
        return sum(entry['val'] is not None for entry in record.get('epochs', []))

    def pictured(self) -> float:
        """When a validation last left a picture."""
        files = list((self.run / 'pictures').glob('*/student.png'))
        return max((file.stat().st_mtime for file in files), default=0.0)

    def _epoch_seconds(self) -> float:
        record = read_record(self.undisturbed / 'result.json')
        return min(entry['seconds'] for entry in record['epochs'])

    def _end(self) -> None:
        assert_same(self.run, self.undisturbed)
        shutil.rmtree(self.run)
        self.runs += 1


MOMENTS = ('any_time', 'writing', 'mid_epoch', 'validating', 'written')


def assert_same(run: Path, undisturbed: Path) -> None:
    """Weights, optimizer, schedules, record, best checkpoint and points: all as in the other run, bit for bit."""
    last = f'epoch_{EPOCHS}.pth'
    mine, its = (load_checkpoint_file(folder / 'checkpoints' / last) for folder in (run, undisturbed))
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'teacher_sha256'):
        assert_equal(mine[key], its[key], key)
    best, expected = ([*(folder / 'checkpoints').glob('best_*')] for folder in (run, undisturbed))
    assert [path.name for path in best] == [path.name for path in expected]
    assert_equal(*(load_checkpoint_file(path)['state_dict'] for path in (*best, *expected)), 'best')
    assert not [name for name in _names(run / 'checkpoints') if not name.endswith('.pth')]
    records = [read_record(folder / 'result.json') for folder in (run, undisturbed)]
    for record in records:
        assert record['status'] == 'finished'
        for entry in record['epochs']:
            entry.pop('seconds')
    for key in ('epochs', 'findings', 'criteria', 'key', 'teacher', 'student'):
        assert records[0][key] == records[1][key], key
    assert points(run) == points(undisturbed)


def assert_equal(mine: object, its: object, where: str) -> None:
    """Equality of nested containers with tensors in them."""
    if isinstance(its, torch.Tensor):
        assert torch.equal(mine, its), where
    elif isinstance(its, dict):
        assert mine.keys() == its.keys(), where
        for key in its:
            assert_equal(mine[key], its[key], f'{where}.{key}')
    elif isinstance(its, list | tuple):
        assert len(mine) == len(its), where
        for number, pair in enumerate(zip(mine, its, strict=True)):
            assert_equal(*pair, f'{where}.{number}')
    else:
        assert mine == its, where


def points(run: Path) -> dict[tuple[str, int], float]:
    """TensorBoard's scalars, of all event files of a run; a point that was drawn twice was the same both times."""
    found: dict[tuple[str, int], float] = {}
    for file in sorted((run / 'logs').glob('events.*')):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tensor.float_val:
                    key = (value.tag, event.step)
                    assert found.setdefault(key, value.tensor.float_val[0]) == value.tensor.float_val[0], key
    return found


def main() -> None:
    """Kills trainings and says how many it killed, and when."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    init_default_scope('mmseg')
    with tempfile.TemporaryDirectory() as folder, tool_process.Trainings() as trainings:
        drill = Drill(trainings, Path(folder), arguments.seed)
        drill.kill_all([MOMENTS[number % len(MOMENTS)] for number in range(arguments.kills)])
    told = ', '.join(f'{kind.replace("_", " ")} {count}' for kind, count in drill.kinds.items())
    print(f'{sum(drill.kinds.values())} kills ({told}) in {drill.runs} runs; each run ended bit-identical')


if __name__ == '__main__':
    sys.exit(main())
