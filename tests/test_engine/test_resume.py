"""A run that was stopped and resumed ends as one that was not, bit for bit."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.engine.runs.first_weights import fingerprint
from mapsage_mmseg.engine.teachers.store import read_teacher, write_teacher
from mapsage_mmseg.errors import InputError
from tests import runs, tiny


def whole_run(folder, loop):
    cfg = runs.config(folder, name='whole', loop=loop, checkpoint=dict(by_epoch=False, interval=1, max_keep_ckpts=-1))
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture(scope='module', params=['epoch', 'iter'])
def whole(request, tmp_path_factory):
    """A run of 24 iterations, 6 an epoch, the phase edge behind the 12th, with a checkpoint of each."""
    folder = tmp_path_factory.mktemp(f'whole_{request.param}')
    return folder, request.param, whole_run(folder, request.param)


def resumed(folder, loop, iteration):
    """What a process that died behind that iteration leaves, and a new process over it."""
    left = folder / f'left{iteration}'
    (left / 'checkpoints').mkdir(parents=True)
    checkpoint = left / 'checkpoints' / f'iter_{iteration}.pth'
    shutil.copy(folder / 'whole' / 'checkpoints' / checkpoint.name, checkpoint)
    (left / 'last_checkpoint').write_text(str(checkpoint))
    record = json.loads((folder / 'whole' / 'result.json').read_text())
    record.update(status='running', epochs=[entry for entry in record['epochs'] if entry['iter'] <= iteration])
    if record['epochs'] and record['epochs'][-1]['iter'] == iteration:
        record['epochs'][-1]['val'] = None  # it died before that validation
    (left / 'result.json').write_text(json.dumps(record))
    cfg = runs.config(
        folder, name=left.name, loop=loop, checkpoint=dict(by_epoch=False, interval=1000, max_keep_ckpts=-1)
    )
    cfg.resume = True
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('iteration', [4, 12, 13, 18])
def test_the_same_weights_bit_for_bit(whole, iteration):
    folder, loop, reference = whole
    runner = resumed(folder, loop, iteration)
    assert runner.iter == reference.iter == 24
    expected = reference.model.state_dict()
    different = [key for key, value in runner.model.state_dict().items() if not torch.equal(value, expected[key])]
    assert different == []
    mine, its = (r.optim_wrapper.state_dict()['state'] for r in (runner, reference))
    assert all(torch.equal(mine[key]['exp_avg_sq'], its[key]['exp_avg_sq']) for key in its)
    left, right = (json.loads((Path(r.work_dir) / 'result.json').read_text()) for r in (runner, reference))
    for entry in (*left['epochs'], *right['epochs']):
        entry.pop('seconds')
    assert left['epochs'] == right['epochs']
    assert left['student'] == right['student']  # where it began, too
    assert right['student']['start'] != fingerprint(reference.model.student)


@pytest.mark.slow
def test_iterations_with_workers_end_as_without(tmp_path):
    """The loop starts its workers anew, behind MMEngine's."""
    weights = []
    for workers in (0, 2):
        cfg = runs.config(tmp_path, name=f'workers{workers}', epochs=2, loop='iter')
        cfg.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
        runner = Runner.from_cfg(cfg)
        runner.train()
        weights.append(runner.model.state_dict())
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_two_epochs_draw_differently_and_seeds_matter(tmp_path):
    weights = []
    for name, seed in (('a', 5), ('b', 5), ('c', 6)):
        runner = Runner.from_cfg(runs.config(tmp_path, name=name, epochs=1, seed=seed))
        runner.train()
        weights.append(
            torch.cat([value.flatten() for value in runner.model.state_dict().values() if value.is_floating_point()])
        )
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    first = runs.config(tmp_path, name='run', epochs=1)
    Runner.from_cfg(first).train()
    other = runs.config(tmp_path, name='run', epochs=1, model=tiny.distill(feature=None))
    other.model.teacher_ckpt = first.model.teacher_ckpt
    other.experiment_name, other.resume = 'other', True
    with pytest.raises(InputError, match=r'of another model: 0 keys missing.*unexpected \(distiller\.connectors'):
        Runner.from_cfg(other).train()


def test_a_run_is_not_gone_on_with_under_another_teacher_unless_the_user_insists(tmp_path):
    Runner.from_cfg(runs.config(tmp_path, epochs=1)).train()
    weights, _ = read_teacher(tmp_path / 'teacher.pth')
    other = write_teacher(tmp_path / 'other.pth', weights, dict(mIoU=91.0))
    cfg = runs.config(tmp_path, epochs=2, teacher=other)
    cfg.resume, cfg.experiment_name = True, 'again'
    with pytest.raises(InputError, match=r"not the one that this run began with.*teacher_check='warn'"):
        Runner.from_cfg(cfg).train()
    cfg.model.teacher_check, cfg.experiment_name = 'warn', 'insists'
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 12


def test_a_file_that_would_run_code_is_refused_and_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / 'executed',)

    torch.save(dict(state_dict={}, message_hub=Payload()), tmp_path / 'bad.pth')
    cfg = runs.config(tmp_path, epochs=1)
    cfg.load_from, cfg.resume = str(tmp_path / 'bad.pth'), True
    with pytest.raises(InputError, match='nothing of it was executed'):
        Runner.from_cfg(cfg).train()
    assert not (tmp_path / 'executed').exists()


def test_a_sampler_that_cannot_skip_says_so_when_resuming_in_mid_epoch(tmp_path):
    cfg = runs.config(tmp_path, epochs=1, checkpoint=dict(by_epoch=False, interval=4, max_keep_ckpts=-1))
    Runner.from_cfg(cfg).train()
    cfg = runs.config(tmp_path, epochs=1)
    cfg.load_from, cfg.resume, cfg.experiment_name = str(tmp_path / 'run' / 'checkpoints' / 'iter_4.pth'), True, 'again'
    cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    cfg.train_dataloader.dataset.pipeline = [dict(type='PackSegInputs')]
    with pytest.raises(InputError, match='SeededSampler'):
        Runner.from_cfg(cfg).train()


def test_a_checkpoint_holds_no_scheduled_value(whole):
    folder, _, _ = whole
    checkpoint = load_checkpoint_file(folder / 'whole' / 'checkpoints' / 'iter_13.pth')
    assert not any('temperature' in key or 'weight_of' in key for key in checkpoint['state_dict'])
