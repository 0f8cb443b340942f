"""Whole runs of two processes: what they leave, and that they end as one process with the same images in a step."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mapsage_mmseg.commands import cli, test, train
from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.engine.hooks import RecordHook
from tests import small
from tests.processes import run_processes


def train_here(folder, arguments, watched=None):
    """One process of a training; ``watched`` is where it writes the values of its own steps."""
    os.chdir(folder)
    steps, note = [], RecordHook.after_train_iter

    def watching(hook, runner, batch_idx, data_batch=None, outputs=None):
        steps.append({key: float(value.detach()) for key, value in outputs.items()})
        note(hook, runner, batch_idx, data_batch, outputs)

    RecordHook.after_train_iter = watching
    status = cli.run(train.main, [*arguments, '--launcher', 'pytorch'])
    if watched:
        Path(f'{watched}{os.environ["RANK"]}.json').write_text(json.dumps(steps))
    assert status == 0


def score_here(folder, arguments):
    os.chdir(folder)
    assert cli.run(test.main, [*arguments, '--launcher', 'pytorch']) == 0


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two processes have trained a teacher, then a student, and have scored it; each saw three validation images, of
    which there are five."""
    folder = tmp_path_factory.mktemp('two')
    small.write_configs(folder)
    odd = ['val_dataloader.dataset.length=5', 'test_dataloader.dataset.length=5']
    run_processes(train_here, folder, ['improved.py', '--cfg-options', *odd], 'steps')
    return folder


@pytest.fixture(scope='module')
def run(folder):
    (run,) = (folder / 'experiments').glob('improved_distill_*')
    return run


def test_one_teacher_one_run_and_one_record(folder, run):
    assert len(list(folder.glob('experiments/teacher_*'))) == len(list(folder.glob('experiments/teachers/*'))) == 1
    record = json.loads((run / 'result.json').read_text())
    assert (record['status'], record['processes'], record['images_per_step']) == ('finished', 2, 4)
    assert [entry['iter'] for entry in record['epochs']] == [2, 4]  # ten images, two processes, two each
    assert len(list(run.glob('logs/*'))) == len(list(run.glob('*/*.log'))) == 1
    assert {path.name for path in run.iterdir()} >= {'result.json', 'report.html', 'config.py', 'pictures'}
    assert not list(folder.glob('.dist_test'))


def test_record_and_curves_are_means_over_the_processes(folder, run):
    record = json.loads((run / 'result.json').read_text())
    # the teacher's two steps come first
    mine, its = (json.loads((folder / f'steps{rank}.json').read_text())[-4:] for rank in range(2))
    events = EventAccumulator(str(run / 'logs'))
    events.Reload()
    for term, tag in (('loss', 'Total'), ('task', 'Task'), ('distill', 'Distillation'), ('feature', 'Feature')):
        means = [(left[term] + right[term]) / 2 for left, right in zip(mine[2:], its[2:], strict=True)]
        entry = record['epochs'][1]
        assert (entry['total'] if term == 'loss' else entry['terms'][term]) == pytest.approx(sum(means) / 2)
        assert events.Scalars(f'Loss/{tag}')[-1].value == pytest.approx(means[-1], rel=1e-6)
        assert mine[-1][term] != its[-1][term]


def test_no_validation_image_counts_twice(folder, run, monkeypatch):
    """What one process scores, image by image."""
    monkeypatch.chdir(folder)
    record = json.loads((run / 'result.json').read_text())
    last = (run / 'last_checkpoint').read_text()
    assert cli.run(test.main, [str(run), last, '--pictures', '0', '--out', 'one.json']) == 0
    expected, found = json.loads(Path('one.json').read_text()), record['epochs'][-1]['val']
    for key in ('mIoU', 'aAcc', 'boundary_f1'):
        assert found[key] == pytest.approx(expected[key], abs=0.011)
    assert found['task_loss'] == pytest.approx(expected['task_loss'], rel=1e-6)
    assert found['IoU'] == {
        key[4:]: pytest.approx(value, abs=0.011, nan_ok=True) for key, value in expected.items() if key[:4] == 'IoU.'
    }

    run_processes(score_here, folder, [str(run), last, '--pictures', '2', '--out', 'two.json', '--work-dir', 'scored'])
    assert json.loads(Path('two.json').read_text())['task_loss'] == pytest.approx(expected['task_loss'], rel=1e-6)
    assert len(list(Path('scored').glob('pictures/*.png'))) == 2


SAME = """
_base_ = 'no_distill.py'
# Nothing that a process has for itself: no statistics of a batch, no draws, no count of valid pixels.
model = dict(
    backbone=dict(drop_path_rate=0.0),
    decode_head=dict(
        dropout_ratio=0.0,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=4),
        loss_decode=dict(avg_non_ignore=False)))
train_dataloader = dict(batch_size={size}, dataset=dict(length=23))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=1, max_keep_ckpts=-1))
experiment = {name!r}
"""


def ended(run):
    """Weights and record of a run that has ended."""
    weights = load_checkpoint_file((run / 'last_checkpoint').read_text())['state_dict']
    return weights, json.loads((run / 'result.json').read_text())


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tmp_path, monkeypatch, capfd):
    """Two epochs of five steps: by one process, by two, and by two that were cut off after seven steps, then by one."""
    monkeypatch.chdir(tmp_path)
    small.write_configs(tmp_path)
    for name, size in (('one', 4), ('two', 2)):
        Path(f'{name}.py').write_text(SAME.format(name=name, size=size))
    assert cli.run(train.main, ['one.py', '--work-dir', 'whole']) == 0
    run_processes(train_here, tmp_path, ['two.py', '--work-dir', 'parted'])
    for later in (8, 9, 10):
        Path(f'parted/checkpoints/iter_{later}.pth').unlink()
    shutil.copytree('parted', 'other')

    assert cli.run(train.main, ['two.py', '--work-dir', 'other', '--resume']) == 2
    assert 'saw 4 images, here it would see 2 (1 x 2)' in (error := capfd.readouterr().err)
    assert 'give train_dataloader.batch_size=4' in error
    assert cli.run(train.main, ['one.py', '--work-dir', 'parted', '--resume']) == 0

    (weights, record), (expected, whole) = ended(tmp_path / 'parted'), ended(tmp_path / 'whole')
    assert max(float((weights[key] - expected[key]).abs().max()) for key in expected) < 1e-5
    assert record['key'] == whole['key']
    assert [entry['iter'] for entry in record['epochs']] == [entry['iter'] for entry in whole['epochs']] == [5, 10]
    for entry, other in zip(record['epochs'], whole['epochs'], strict=True):
        assert entry['total'] == pytest.approx(other['total'], rel=1e-5)
        assert entry['val']['task_loss'] == pytest.approx(other['val']['task_loss'], rel=1e-4)
