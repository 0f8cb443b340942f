"""Whole runs: what the hooks set, when, and what is logged of it."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mapsage_mmseg.datasets.synthetic.dataset import SyntheticLandCover
from mapsage_mmseg.engine.teachers.store import read_teacher, write_teacher
from mapsage_mmseg.engine.tool_runner import ToolRunner
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.record import read_record
from tests import runs, tiny


@HOOKS.register_module()
class Watch(Hook):
    """Notes what the model is set to at every step, and how often the teacher ran in it."""

    priority = 'VERY_LOW'

    def before_run(self, runner):
        self.steps, self.forwards = [], 0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 0:
            runner.model.teacher.register_forward_hook(lambda *arguments: setattr(self, 'forwards', self.forwards + 1))
        self.forwards = 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append(
            dict(
                weights=dict(runner.model.loss_weights),
                temperature=runner.model.distiller.temperature,
                teacher=self.forwards,
                lr=runner.optim_wrapper.get_lr()['lr'][0],
                total=outputs['loss'].item(),
            )
        )


def watch(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, Watch))


@pytest.fixture(scope='module', params=['epoch', 'iter'])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    cfg = runs.config(folder, loop=request.param, watch=dict(type='Watch'))
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_weights_and_temperature_of_the_whole_run(finished):
    steps = watch(finished).steps
    assert len(steps) == 24
    first, second = ({**dict(p['weights'])} for p in runs.PHASES)
    assert [step['weights'] for step in steps] == [first] * 12 + [second] * 12
    expected = [6 - 3 * epoch / 4 for epoch in range(4) for _ in range(6)]
    assert [step['temperature'] for step in steps] == pytest.approx(expected)


def test_the_teacher_does_not_run_in_the_task_phase_and_once_a_step_after_it(finished):
    assert [step['teacher'] for step in watch(finished).steps] == [0] * 12 + [1] * 12


def test_the_record_tells_every_epoch(finished):
    record = json.loads((Path(finished.work_dir) / 'result.json').read_text())
    assert record['status'] == 'finished'
    assert record['schema'] == 1
    assert record['dataset']['chance_loss'] == pytest.approx(1.945910149)
    assert record['teacher']['mIoU'] == 90.0
    assert len(record['teacher']['sha256']) == 64
    assert [entry['epoch'] for entry in record['epochs']] == [1, 2, 3, 4]
    assert [entry['iter'] for entry in record['epochs']] == [6, 12, 18, 24]
    assert [entry['phase'] for entry in record['epochs']] == ['task', 'task', 'distill', 'distill']
    steps = watch(finished).steps
    for number, entry in enumerate(record['epochs']):
        mine = steps[6 * number : 6 * number + 6]
        assert entry['total'] == pytest.approx(sum(step['total'] for step in mine) / 6, rel=1e-5)
        assert entry['temperature'] == pytest.approx(mine[-1]['temperature'])
        assert sum(share for share in entry['shares'].values() if share is not None) == pytest.approx(1, rel=1e-4)
        assert set(entry['val']['IoU']) == set(record['dataset']['classes'])
        assert entry['val']['task_loss'] > 0
        assert 0 <= entry['val']['teacher_agreement'] <= 100
        assert entry['val']['teacher_mIoU'] is not None
        assert entry['stability']['nonfinite'] == 0
        assert entry['seconds'] > 0
    assert [entry['terms']['distill'] is None for entry in record['epochs']] == [True, True, False, False]


def test_tensorboard_has_the_tags_of_the_contract(finished):
    events = EventAccumulator(str(Path(finished.work_dir) / 'logs'), size_guidance=dict(images=0))
    events.Reload()
    scalars = set(events.Tags()['scalars'])
    assert scalars >= {
        'Loss/Total',
        'Loss/Task',
        'Loss/Distillation',
        'Loss/Feature',
        'Loss/Attention',
        'Training/LearningRate',
        'Training/Temperature',
        'Training/Phase',
        'Weight/task',
        'Weight/distill',
        'Share/distill',
        'Val/mIoU',
        'Val/TeacherMIoU',
        *(f'Val/IoU/{name}' for name in read_record(Path(finished.work_dir) / 'result.json')['dataset']['classes']),
    }
    assert not any('/' not in tag for tag in scalars)
    assert [event.step for event in events.Scalars('Val/mIoU')] == [6, 12, 18, 24]
    phases = {event.step: event.value for event in events.Scalars('Training/Phase')}
    assert {phases[step] for step in phases if step <= 12} == {1.0}
    assert {phases[step] for step in phases if step > 12} == {2.0}
    assert 'Images/Validation' in events.Tags()['images']


def test_the_run_directory_is_laid_out_and_no_checkpoint_knows_the_teacher(finished):
    folder = Path(finished.work_dir)
    names = {path.name for path in (folder / 'checkpoints').iterdir()}
    assert any(name.startswith('best_mIoU') for name in names)
    last = Path((folder / 'last_checkpoint').read_text())
    assert last.parent == folder / 'checkpoints'
    checkpoint = torch.load(last, weights_only=False)
    assert not any('teacher' in key for key in checkpoint['state_dict'])
    assert checkpoint['meta']['iter'] == 24


def test_phases_in_iterations_work_under_an_epoch_loop(tmp_path):
    phases = [
        dict(begin=1, end=4, by='iter', weights=dict(task=1.0)),
        dict(begin=5, by='iter', weights=dict(distill=1.0)),
    ]
    cfg = runs.config(tmp_path, epochs=1, phases=phases, watch=dict(type='Watch'))
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert [step['teacher'] for step in watch(runner).steps] == [0, 0, 0, 0, 1, 1]


def test_a_phase_that_is_never_reached_is_said_to_be(tmp_path):
    Runner.from_cfg(runs.config(tmp_path, epochs=2)).train()
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert "Phase 'distill' begins at epoch 3, and the run ends before it" in log


def test_epochs_under_an_iteration_loop_that_was_not_told_their_length_are_refused(tmp_path):
    cfg = runs.config(tmp_path, loop='iter')
    cfg.default_hooks.phases.iters_per_epoch = None
    with pytest.raises(InputError, match='iters_per_epoch'):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda cfg: cfg.default_hooks.phases.update(phases=[dict(begin=1, weights=dict(task=1.0, atention=1.0))]),
            r'weights\.atention',
        ),
        (lambda cfg: cfg.default_hooks.temperature.update(start=-1), r'temperature start=-1'),
        (
            lambda cfg: cfg.model.distiller.levels.distill.update(student='decode_head.conv'),
            r'levels\.distill\.student=',
        ),
        (
            lambda cfg: cfg.model.distiller.levels.distill.update(teacher='decode_head.conv'),
            r'levels\.distill\.teacher=',
        ),
        (lambda cfg: cfg.model.update(teacher_ckpt='/nowhere/teacher.pth'), r"/nowhere/teacher\.pth' does not exist"),
        (lambda cfg: cfg.model.teacher.backbone.update(num_layers=3), r'does not fit model\.teacher: \d+ keys missing'),
        (lambda cfg: cfg.model.teacher.backbone.update(mlp_ratio=2), r'does not fit model\.teacher: size mismatch for'),
    ],
)
def test_mistakes_are_refused_before_the_first_step(tmp_path, change, message):
    cfg = runs.config(tmp_path)
    change(cfg)
    with pytest.raises(InputError, match=message):
        Runner.from_cfg(cfg).train()


def test_a_teacher_without_a_score_is_refused_unless_the_user_insists(tmp_path):
    teacher = runs.make_teacher(tmp_path, score=None)
    cfg = runs.config(tmp_path, teacher=teacher, epochs=1)
    with pytest.raises(InputError, match="no recorded validation mIoU.*teacher_check='warn'"):
        Runner.from_cfg(cfg).train()
    cfg = runs.config(tmp_path, name='insists', teacher=teacher, epochs=1)
    cfg.model.teacher_check = 'warn'
    Runner.from_cfg(cfg).train()


def train_alone(folder, experiment):
    """A student from labels only, under the experiments folder of runs.config."""
    alone = runs.config(folder, name=f'experiments/{experiment}_1', model=tiny.student(), epochs=1)
    alone.experiment = experiment
    for hook in ('teacher', 'phases', 'temperature'):
        alone.default_hooks.pop(hook)
    return alone


@pytest.mark.parametrize('experiment', ['no_distill', 'another_student'])
def test_a_teacher_below_a_student_from_labels_only_on_the_same_data_is_refused(tmp_path, experiment):
    Runner.from_cfg(train_alone(tmp_path, experiment)).train()
    weak = runs.make_teacher(tmp_path, score=0.0)
    said = rf'scored mIoU 0\.00, below the \d.* of {experiment}, a student of \d.* parameters from labels only'
    with pytest.raises(InputError, match=said):
        Runner.from_cfg(runs.config(tmp_path, name='weak', teacher=weak)).train()


def test_a_teacher_is_not_refused_for_another_teacher(tmp_path):
    other = train_alone(tmp_path, 'mine')
    other.publish_teacher = True
    Runner.from_cfg(other).train()
    runner = Runner.from_cfg(runs.config(tmp_path, name='weak', teacher=runs.make_teacher(tmp_path, score=0.0)))
    runner.train()
    assert runner.iter == runner.max_iters > 0


@pytest.mark.parametrize(
    ('settings', 'doubt'),
    [(dict(data='of other tiles'), 'was scored on other data'), (dict(score=float('nan')), 'no recorded validation')],
)
def test_a_teacher_whose_score_says_nothing_here_is_refused(tmp_path, settings, doubt):
    with pytest.raises(InputError, match=doubt):
        Runner.from_cfg(runs.config(tmp_path, teacher=runs.make_teacher(tmp_path, **settings))).train()


def test_a_teacher_of_the_same_number_of_other_classes_is_refused(tmp_path):
    teacher = runs.make_teacher(tmp_path)
    weights, _ = read_teacher(teacher)
    names = list(SyntheticLandCover.METAINFO['classes'])
    write_teacher(teacher, weights, dict(mIoU=90.0, classes=names[::-1]))
    with pytest.raises(InputError, match=rf'knows the classes {names[-1]}, .* the data has {names[0]}, '):
        Runner.from_cfg(runs.config(tmp_path, teacher=teacher)).train()


def test_auto_without_a_teacher_names_the_command_that_makes_one(tmp_path):
    cfg = runs.config(tmp_path)
    cfg.model.teacher_ckpt = 'auto'
    with pytest.raises(InputError, match=r'python tools/train\.py .*teacher\.py'):
        Runner.from_cfg(cfg).train()


def test_the_log_prints_the_last_validation_and_not_the_mean_of_all(finished):
    record = json.loads((Path(finished.work_dir) / 'result.json').read_text())
    values = [entry['val']['task_loss'] for entry in record['epochs']]
    (log,) = Path(finished.work_dir).glob('*/*.log')
    lines = [line for line in log.read_text().splitlines() if 'task_loss: ' in line]
    printed = [float(line.split('task_loss: ')[1].split()[0]) for line in lines]
    assert printed == pytest.approx(values, abs=1e-4)


def test_two_runs_that_begin_in_one_second_have_names_of_their_own(tmp_path, monkeypatch):
    """MMEngine hands out loggers, visualizers and message hubs by name."""
    monkeypatch.setattr('time.time', lambda: 1e9)
    folders = [tmp_path / name / 'same' for name in ('first', 'second')]
    for folder in folders:
        folder.mkdir(parents=True)
    first, second = (ToolRunner.from_cfg(runs.config(folder)) for folder in folders)
    assert first.experiment_name != second.experiment_name and first.log_dir != second.log_dir
    assert first.logger is not second.logger and first.message_hub is not second.message_hub
    assert first.visualizer is not second.visualizer
    places = [runner.visualizer.get_backend('RunTensorboardBackend')._save_dir for runner in (first, second)]
    assert places == [str(folder / 'run' / 'logs') for folder in folders]
