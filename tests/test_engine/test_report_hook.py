"""What a real run leaves for people: its pictures and its report."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from mapsage_mmseg.engine.hooks import ReportHook
from mapsage_mmseg.engine.runs.known import judged_against
from mapsage_mmseg.visualization.pictures import read_pictures
from tests import records, runs, tiny

REPORT = dict(type='ReportHook')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A control, then a distillation, under one experiments folder."""
    folder = tmp_path_factory.mktemp('report')
    alone = runs.config(folder, name='experiments/no_distill_1', model=tiny.student(), epochs=3, report=REPORT)
    alone.experiment = 'no_distill'
    for hook in ('teacher', 'phases', 'temperature'):
        alone.default_hooks.pop(hook)
    Runner.from_cfg(alone).train()
    Runner.from_cfg(runs.config(folder, name='experiments/mine', epochs=3, report=REPORT)).train()
    return folder / 'experiments'


def test_the_record_knows_what_a_forward_costs(folder):
    record = json.loads((folder / 'mine/result.json').read_text())
    assert 0 < record['student']['gflops'] < 1
    assert 0 < record['teacher']['gflops'] < 1
    alone = json.loads((folder / 'no_distill_1/result.json').read_text())
    assert alone['student'] == record['student']


def test_the_report_shows_the_run_beside_the_control_that_judged_it(folder):
    html = (folder / 'mine/report.html').read_text()
    assert '<title>improved_distill on synthetic: ' in html
    assert 'Against no_distill, paired by seed' in html
    assert 'data:image/png;base64,' in html
    alone = (folder / 'no_distill_1/report.html').read_text()
    assert 'nothing to transfer' in alone and 'improved_distill' not in alone


def test_the_report_knows_a_control_of_another_name(tmp_path):
    records.write(tmp_path, records.record('own_control', miou=45.0, teacher=None))
    mine = records.write(tmp_path, records.record('mine', control='own_control'))
    runner = SimpleNamespace(work_dir=mine, cfg=dict(experiments=tmp_path), logger=logging.getLogger('report'))
    ReportHook().after_train(runner)
    html = (mine / 'report.html').read_text()
    assert 'Against own_control, paired by seed' in html and 'There is no control' not in html


def test_a_control_that_finishes_draws_the_reports_that_it_bears_on_again(tmp_path):
    def finish(folder):
        ReportHook().after_train(
            SimpleNamespace(work_dir=folder, cfg=dict(experiments=tmp_path), logger=logging.getLogger('report'))
        )

    mine = records.write(tmp_path, records.record(seed=1))
    other = records.write(tmp_path, records.record(seed=1, control='another'), '20260102_000000')
    for folder in (mine, other):
        finish(folder)
        assert 'Against no_distill' not in (folder / 'report.html').read_text()
    before = (other / 'report.html').read_bytes()
    control = records.write(tmp_path, records.record('no_distill', seed=1, miou=50.0, teacher=None))
    finish(control)
    assert 'Against no_distill, paired by seed' in (mine / 'report.html').read_text()
    assert (other / 'report.html').read_bytes() == before


def test_the_pictures_are_of_the_last_validation_whatever_tensorboard_gets(folder):
    """3 epochs at an interval of 5: TensorBoard is drawn for in the first and the last."""
    found = read_pictures(folder / 'mine')
    assert list(found) == ['000000', '000001']
    assert set(found['000000'].maps) == {'label', 'teacher', 'student'}
    assert set(read_pictures(folder / 'no_distill_1')['000000'].maps) == {'label', 'student'}
    for picture in found.values():
        assert all(indices.shape == (64, 64) for indices in picture.maps.values())
        assert set(np.unique(picture.maps['student'])) <= set(range(7))
        assert picture.image.shape == (64, 64, 3)


def test_a_run_that_stops_early_has_pictures_of_every_validation_so_far(tmp_path):
    cfg = runs.config(tmp_path, epochs=2)
    runner = Runner.from_cfg(cfg)
    seen = []

    class Look(Hook):
        priority = 'VERY_LOW'

        def after_val_epoch(self, runner, metrics=None):
            file = tmp_path / 'run/pictures/000000/student.png'
            seen.append((file.stat().st_mtime_ns, np.asarray(Image.open(file)).copy()))

    runner.register_hook(Look())
    runner.train()
    assert len(seen) == 2 and seen[0][0] < seen[1][0]


def test_a_report_that_cannot_be_drawn_fails_nothing(tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise RuntimeError('no ink')

    monkeypatch.setattr('mapsage_mmseg.visualization.report.render', fail)
    cfg = runs.config(tmp_path, epochs=1, report=REPORT)
    runner = Runner.from_cfg(cfg)
    runner.train()
    log = '\n'.join(path.read_text() for path in (tmp_path / 'run').glob('*/*.log'))
    assert 'report.html was not drawn (RuntimeError: no ink); draw it with: python tools/compare.py' in log
    assert json.loads((tmp_path / 'run/result.json').read_text())['status'] == 'finished'
    assert not (tmp_path / 'run/report.html').exists()


def test_a_run_is_judged_by_runs_of_its_seed_where_there_are_any(tmp_path):
    for name, seed, stamp in (('no_distill', 0, 1), ('no_distill', 1, 2), ('no_distill', 0, 3), ('no_distill', 2, 4)):
        records.write(tmp_path, records.record(name, seed, miou=50.0 + stamp), f'2026010{stamp}_000000')
    records.write(tmp_path, records.record('other_control', 0, miou=40.0), '20260105_000000')
    chosen = lambda **changes: judged_against(tmp_path, records.record() | changes)  # noqa: E731
    assert chosen(seed=0)[1]['epochs'][-1]['val']['mIoU'] == 53.0  # the newer of two
    assert chosen(seed=1)[1]['seed'] == 1
    assert chosen(seed=7)[1]['seed'] == 2  # the newest
    assert chosen(seed=0)[0] is None  # no baseline
    assert chosen(experiment='no_distill')[1] is None
    assert chosen(seed=0, control='other_control')[1]['experiment'] == 'other_control'
    shorter = records.record(seed=0)
    shorter['epochs'].pop()
    assert judged_against(tmp_path, shorter)[1] is None  # no control was trained for as little
