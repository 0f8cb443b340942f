"""A full disk leaves the old files whole, says so, and the run continues; where it cannot, it stops and is resumed."""

import errno
import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.engine import processes
from mapsage_mmseg.engine.hooks import RecordHook, RunCheckpointHook
from mapsage_mmseg.engine.runs.checkpoint_files import WholeFileBackend
from mapsage_mmseg.engine.tool_runner import ToolRunner
from mapsage_mmseg.errors import RunStopped
from mapsage_mmseg.evaluation.record import read_record
from mapsage_mmseg.visualization import tensorboard_backend
from mapsage_mmseg.visualization.tensorboard_backend import RunTensorboardBackend
from tests import runs, tiny
from tests.processes import run_processes


@pytest.fixture
def disk(tmp_path):
    """A file system of 24 MB."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    made = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f'no file system of a limited size can be mounted here: {made.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '-l', folder], check=True)  # -l: the run's logger has its file open still


def fill(folder):
    with open(folder / 'ballast', 'ab', buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == 28


@HOOKS.register_module()
class FillDisk(Hook):
    """Fills a disk when an epoch begins, and makes room again when another one does."""

    def __init__(self, folder, full, room):
        self.folder, self.full, self.room = Path(folder), full, room

    def before_train_epoch(self, runner):
        if runner.epoch == self.full:
            fill(self.folder)
        if runner.epoch == self.room:
            (self.folder / 'ballast').unlink()


def train(disk, teacher, name, full=None, room=None, resume=False):
    cfg = runs.config(disk, epochs=4, teacher=teacher, scalars=dict(interval=1), seed=5)
    cfg.custom_hooks = [dict(type='FillDisk', folder=str(disk), full=full, room=room)]
    cfg.resume, cfg.experiment_name = resume, f'{disk.parent.name}_{name}'
    runner = ToolRunner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed')
    teacher = runs.make_teacher(folder)
    return teacher, train(folder, teacher, 'whole').model.state_dict()


def same(model, state):
    return all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.slow
def test_a_run_goes_on_over_two_epochs_without_room(undisturbed, disk, capfd):
    teacher, expected = undisturbed
    runner = train(disk, teacher, 'goes_on', full=1, room=3)
    assert same(runner.model, expected)
    record = read_record(disk / 'run/result.json')
    assert record['status'] == 'finished'
    assert [entry['epoch'] for entry in record['epochs']] == [1, 2, 3, 4]
    checkpoints = disk / 'run/checkpoints'
    for path in checkpoints.iterdir():
        load_checkpoint_file(path)
    assert {'epoch_1.pth', 'epoch_4.pth'} <= {path.name for path in checkpoints.iterdir()}
    said = ''.join(capfd.readouterr())
    assert 'Traceback' not in said
    for epoch in (2, 3):
        assert (
            said.count(f'epoch_{epoch}.pth could not be written (No space left on device): the one before stays') == 1
        )
    assert said.count('result.json could not be written') == 1
    assert said.count('points are lost until there is room') == 1
    steps = {event.step for event in events(disk / 'run/logs') if event.summary.value}
    assert {1, 2, 24} <= steps


@pytest.mark.slow
def test_a_run_that_cannot_end_whole_stops_and_is_gone_on_with(undisturbed, disk):
    teacher, expected = undisturbed
    with pytest.raises(RunStopped, match='make room, and --resume'):
        train(disk, teacher, 'stops', full=1)
    checkpoints = disk / 'run/checkpoints'
    assert {path.name for path in checkpoints.iterdir() if path.name.startswith(('epoch', '.'))} == {'epoch_1.pth'}
    assert load_checkpoint_file(checkpoints / 'epoch_1.pth')['meta']['epoch'] == 1
    assert read_record(disk / 'run/result.json')['epochs'][0]['epoch'] == 1
    (disk / 'ballast').unlink()
    assert same(train(disk, teacher, 'again', resume=True).model, expected)
    assert read_record(disk / 'run/result.json')['status'] == 'finished'


def events(logs):
    return [event for file in sorted(logs.glob('events.*')) for event in EventFileLoader(str(file)).Load()]


def test_points_before_and_behind_a_full_disk_can_be_read(disk, monkeypatch, capfd):
    said = []
    monkeypatch.setattr(tensorboard_backend, 'print_log', lambda message, *_: said.append(message))
    backend = RunTensorboardBackend(save_dir=str(disk / 'logs'))
    backend.add_scalar('a', 1.0, 1)
    backend.flush()
    fill(disk)
    for step in range(2, 4000):
        backend.add_scalar('a', 1.0, step)
    backend.flush()
    (disk / 'ballast').unlink()
    backend.add_scalar('a', 1.0, 4000)  # lost: looking for room costs something
    backend.flush()
    backend.add_scalar('a', 1.0, 4001)
    backend.close()
    steps = [event.step for event in events(disk / 'logs') if event.summary.value]
    assert steps[0] == 1 and steps[-1] == 4001 and 4000 not in steps
    assert said == [f'{disk / "logs"}: points are lost until there is room (No space left on device)']
    assert 'Traceback' not in ''.join(capfd.readouterr())


def two_processes(folder):
    """Two epochs: there is no room for the best checkpoint, nor for an epoch's, nor for the last one at the end."""
    processes.join('pytorch', {})
    full = ['best_mIoU_epoch_1.pth', 'epoch_2.pth', 'epoch_2.pth', 'epoch_2.pth']
    put = WholeFileBackend.put

    def put_where_there_is_room(self, obj, filepath):
        if Path(filepath).name in full:
            full.remove(Path(filepath).name)
            raise OSError(errno.ENOSPC, 'No space left on device', str(filepath))
        put(self, obj, filepath)

    WholeFileBackend.put = put_where_there_is_room
    cfg = runs.config(folder, epochs=2, model=tiny.student())
    cfg.launcher = 'pytorch'
    for name in ('phases', 'temperature', 'teacher'):
        cfg.default_hooks.pop(name, None)
    runner = ToolRunner.from_cfg(cfg)
    hook = next(hook for hook in runner.hooks if isinstance(hook, RunCheckpointHook))
    record = next(hook for hook in runner.hooks if isinstance(hook, RecordHook))
    with pytest.raises(RunStopped, match=r'epoch_2.pth could not be written, so the run is not complete'):
        runner.train()
    assert not full or not processes.is_main_process()
    assert (hook._saved, hook._missed[0], runner.iter) == (3, 'epoch_2.pth', 6)
    hook.before_interruption(runner, 2, runner.iter)  # as after a signal
    assert (hook._saved, hook._missed) == (6, None)
    record._path = folder / 'teacher.pth' / 'result.json'
    (folder / 'teacher.pth').touch()
    with pytest.raises(RunStopped, match='result.json could not be written'):
        record.after_train(runner)
    best = {key: runner.message_hub.get_info(key) for key in ('best_score', 'best_ckpt')}
    torch.save((best, hook.best_ckpt_path, hook.last_ckpt, runner.model.state_dict()), folder / f'{runner.rank}.pth')
    processes.leave()


def test_two_processes_go_on_and_stop_together(tmp_path):
    run_processes(two_processes, tmp_path)
    (best, path, last, weights), its = (torch.load(tmp_path / f'{rank}.pth', weights_only=False) for rank in range(2))
    assert (best, path, last) == its[:3]
    assert Path(path).name == 'best_mIoU_epoch_2.pth' and Path(last).name == 'iter_6.pth'
    assert all(torch.equal(value, its[3][key]) for key, value in weights.items())
    checkpoints = tmp_path / 'run/checkpoints'
    assert {path.name for path in checkpoints.iterdir()} == {'epoch_1.pth', 'best_mIoU_epoch_2.pth', 'iter_6.pth'}
    assert load_checkpoint_file(checkpoints / 'iter_6.pth')['message_hub']['runtime_info']['best_ckpt'] == path
