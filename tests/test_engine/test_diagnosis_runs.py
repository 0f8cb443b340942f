"""Runs that are broken on purpose, for real, and what the diagnosis says of each; and one that is sound."""

import json
from pathlib import Path

import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.runner import Runner
from mmseg.registry import TRANSFORMS

from mapsage_mmseg.commands import cli
from mapsage_mmseg.engine.teachers.store import write_teacher
from mapsage_mmseg.errors import InputError, RunStopped
from tests import runs, tiny

EPOCHS, TASK_EPOCHS = 14, 4


@TRANSFORMS.register_module()
class NoiseLabels(BaseTransform):
    """Labels that have nothing to do with the image."""

    def transform(self, results):
        shape = results['gt_seg_map'].shape
        seed = int(results['img'].sum()) % 2**32
        labels = torch.randint(0, 7, shape, generator=torch.Generator().manual_seed(seed))
        results['gt_seg_map'] = labels.numpy().astype(results['gt_seg_map'].dtype)
        return results


def larger(cfg, epochs):
    """64 scenes in batches of 4: enough to learn something from."""
    cfg.train_dataloader.batch_size, cfg.train_dataloader.dataset.length = 4, 64
    cfg.val_dataloader.dataset.length = 12
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].T_max = cfg.param_scheduler[0].end = epochs
    return cfg


@pytest.fixture(scope='module')
def trained_teacher(tmp_path_factory):
    """A tiny teacher that has learned: three times the student's steps."""
    folder = tmp_path_factory.mktemp('teacher')
    cfg = larger(runs.config(folder, model=tiny.teacher()), 3 * EPOCHS)
    cfg.train_cfg.val_interval = 3 * EPOCHS
    for hook in ('teacher', 'phases', 'temperature'):
        cfg.default_hooks.pop(hook)
    cfg.optim_wrapper.optimizer.lr = 2e-3
    runner = Runner.from_cfg(cfg)
    runner.train()
    score = json.loads((folder / 'run' / 'result.json').read_text())['epochs'][-1]['val']['mIoU']
    return write_teacher(folder / 'teacher.pth', runner.model.state_dict(), dict(mIoU=score))


def distil(folder, teacher, change=None, epochs=EPOCHS, **hooks):
    """Runs it and returns its record, whatever came of it."""
    phases = [dict(runs.PHASES[0], end=TASK_EPOCHS), dict(runs.PHASES[1], begin=TASK_EPOCHS + 1)]
    cfg = larger(runs.config(folder, teacher=teacher, phases=phases, diagnosis=dict(interval=8), **hooks), epochs)
    if change:
        change(cfg)
    Runner.from_cfg(cfg).train()
    return json.loads((Path(cfg.work_dir) / 'result.json').read_text())


def checks(record):
    return [finding['check'] for finding in record['findings']]


@pytest.mark.slow
def test_a_sound_run_has_no_finding(tmp_path, trained_teacher):
    record = distil(tmp_path, trained_teacher)
    assert checks(record) == [], record['findings']
    assert record['epochs'][-1]['gradients']['norm'].keys() == {'task', 'distill', 'feature', 'attention'}
    assert all(norm > 0 for norm in record['epochs'][-1]['gradients']['norm'].values())


@pytest.mark.slow
def test_random_labels_stay_at_chance(tmp_path, trained_teacher):
    def change(cfg):
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.dataset.pipeline.insert(0, dict(type='NoiseLabels'))

    record = distil(tmp_path, trained_teacher, change, epochs=TASK_EPOCHS + 1)
    assert 'at_chance' in checks(record)
    finding = next(finding for finding in record['findings'] if finding['check'] == 'at_chance')
    assert (finding['situation'], finding['epoch']) == ('stalled', TASK_EPOCHS + 1)
    assert 'fallbacks/stalled.py' in finding['suggestion']


@pytest.mark.slow
def test_an_untrained_teacher_that_was_insisted_on_teaches_nothing(tmp_path):
    def change(cfg):
        cfg.model.teacher_check = 'warn'

    record = distil(tmp_path, runs.make_teacher(tmp_path, score=None), change)
    assert 'teacher_no_better' in checks(record)


def test_a_learning_rate_of_ten_diverges(tmp_path):
    def change(cfg):
        cfg.optim_wrapper.optimizer.lr = 10.0

    record = distil(tmp_path, runs.make_teacher(tmp_path), change, epochs=1)
    assert 'diverged' in checks(record) or 'nonfinite' in checks(record)
    assert {finding['situation'] for finding in record['findings']} == {'unstable'}


@pytest.mark.slow
def test_a_kl_summed_over_pixels_takes_over_the_total(tmp_path, trained_teacher):
    def change(cfg):
        cfg.model.distiller.levels.distill.loss.reduction = 'batchmean'
        cfg.default_hooks.phases.phases = [dict(name='distill', begin=1, weights=dict(task=0.3, distill=0.7))]

    record = distil(tmp_path, trained_teacher, change, epochs=1)
    finding = next(finding for finding in record['findings'] if finding['check'] == 'dominant')
    assert finding['evidence'].startswith('distill makes 9')
    assert record['epochs'][0]['shares']['distill'] > 0.9


def cut_off(after):
    def change(cfg):
        cfg.model.distiller.levels.cut = dict(
            student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=dict(type='CutOffLoss', after=after)
        )
        cfg.default_hooks.phases.phases = [dict(name='distill', begin=1, weights=dict(task=1.0, cut=1.0))]

    return change


def test_a_level_that_was_never_connected_is_refused_before_the_first_step(tmp_path):
    with pytest.raises(InputError, match='levels.cut contributes no gradient'):
        distil(tmp_path, runs.make_teacher(tmp_path), cut_off(0), epochs=1)


def test_a_level_that_is_cut_off_later_is_found_dead(tmp_path):
    record = distil(tmp_path, runs.make_teacher(tmp_path), cut_off(20), epochs=3)  # the probe, and 16 steps an epoch
    finding = next(finding for finding in record['findings'] if finding['check'] == 'dead_level')
    assert finding['epoch'] == 3  # in the second, the first three steps still had a gradient
    assert finding['evidence'].startswith('cut: no gradient')


def test_strict_stops_the_run_at_once_and_says_so(tmp_path):
    def change(cfg):
        cfg.optim_wrapper.optimizer.lr = 10.0
        cfg.default_hooks.diagnosis.strict = True

    with pytest.raises(RunStopped, match=r'stopped after a finding \(--strict\)'):
        distil(tmp_path, runs.make_teacher(tmp_path), change, epochs=3)
    record = json.loads((tmp_path / 'run' / 'result.json').read_text())
    assert len(record['epochs']) == 1
    assert record['findings']


def test_a_stopped_run_is_one_line_and_status_one(capsys):
    def main(argv):
        raise RunStopped('stopped after a finding')

    assert cli.run(main, []) == 1
    captured = capsys.readouterr()
    assert captured.err == 'stopped after a finding\n'


def test_measuring_gradients_changes_nothing_of_the_run(tmp_path):
    """Weights end the same bit for bit, however often they are measured."""
    teacher, ends = runs.make_teacher(tmp_path), []
    for interval in (0, 1):
        cfg = runs.config(
            tmp_path, name=f'every{interval}', epochs=3, teacher=teacher, diagnosis=dict(interval=interval)
        )
        runner = Runner.from_cfg(cfg)
        runner.train()
        ends.append(runner.model.state_dict())
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())
