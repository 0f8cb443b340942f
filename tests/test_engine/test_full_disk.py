"""A full disk leaves the old files whole, says so, and the run goes on; where it cannot, it stops and is resumed."""

import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.engine.tool_runner import ToolRunner
from mapsage_mmseg.errors import RunStopped
from mapsage_mmseg.evaluation.record import read_record
from mapsage_mmseg.visualization import RunTensorboardBackend, tensorboard_backend
from tests import runs


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
