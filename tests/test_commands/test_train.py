"""The training tool, from its command line to what it leaves behind."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mapsage_mmseg.commands import cli, test, train
from mapsage_mmseg.evaluation.record import read_record, write_record
from mapsage_mmseg.settings import data_root
from mapsage_mmseg.settings.load import load_config, override
from mapsage_mmseg.training.options import TrainOptions
from mapsage_mmseg.training.session import in_short, prepare


def only(folder, pattern):
    found = list(Path(folder).glob(pattern))
    assert len(found) == 1, found
    return found[0]


def test_one_command_trains_the_teacher_then_the_student_and_the_second_finds_it(configs, capfd):
    assert cli.run(train.main, ['improved.py']) == 0
    run = only('experiments', 'improved_distill_*')
    assert {path.name for path in run.iterdir()} >= {'logs', 'checkpoints', 'result.json', 'config.py'}
    record = json.loads((run / 'result.json').read_text())
    assert record['status'] == 'finished'
    assert [entry['phase'] for entry in record['epochs']] == ['phase1', 'phase2']
    only('experiments', 'teacher_*')
    teacher = only('experiments', 'teachers/*/teacher.pth')
    assert record['teacher']['path'] == str(teacher.resolve())
    assert load_config(run / 'config.py').model.teacher_ckpt == str(teacher.resolve())

    assert cli.run(train.main, ['improved.py', '--seed', '7']) == 0
    only('experiments', 'teacher_*')  # not trained again
    assert 'Teacher: found' in capfd.readouterr().out
    second = max(Path('experiments').glob('improved_distill_*'))
    assert json.loads((second / 'result.json').read_text())['seed'] == 7

    assert cli.run(train.main, ['improved.py', '--retrain-teacher']) == 0
    assert len(list(Path('experiments').glob('teacher_*'))) == 2

    assert cli.run(test.main, [str(run), '--out', 'scores.json', '--pictures', '1']) == 0
    assert 'mIoU' in json.loads(Path('scores.json').read_text())
    only(run, 'test/student/pictures/*.png')
    teacher.rename('kept.pth')
    assert cli.run(test.main, [str(run), '--pictures', '0']) == 0  # a student is scored without its teacher
    assert cli.run(test.main, [str(run), '--teacher', '--pictures', '0']) == 2
    assert cli.run(test.main, [str(run), 'kept.pth', '--teacher', '--pictures', '0']) == 0


@pytest.mark.parametrize('again', [[], ['--resume']])
def test_a_teacher_that_was_interrupted_is_gone_on_with(configs, monkeypatch, capfd, again):
    from mapsage_mmseg.engine.hooks import ScalarHook

    def interrupt(self, runner, *arguments, **settings):
        if runner.iter == 4 and not hasattr(runner.model, 'distiller'):
            raise KeyboardInterrupt

    recipe = Path('teacher.py')
    recipe.write_text(recipe.read_text().replace('max_epochs=1', 'max_epochs=2'))
    with monkeypatch.context() as patch:
        patch.setattr(ScalarHook, 'after_train_iter', interrupt)
        assert cli.run(train.main, ['improved.py']) == 1
    run = only('experiments', 'teacher_*')
    record = json.loads((run / 'result.json').read_text())
    assert (record['status'], len(record['epochs'])) == ('interrupted', 1)
    write_record(run / 'result.json', {**read_record(run / 'result.json'), 'status': 'running'})  # as SIGKILL leaves it
    assert cli.run(train.main, ['improved.py', *again]) == 0
    assert 'resuming' in capfd.readouterr().out
    assert only('experiments', 'teacher_*') == run
    assert len(json.loads((run / 'result.json').read_text())['epochs']) == 2


def test_on_a_terminal_there_is_a_progress_bar_and_no_log_lines(configs, repository):
    """A real terminal, by way of a pseudo one."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(repository / 'tools/train.py'), 'no_distill.py'],
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, 'PYTHONPATH': str(repository), 'TERM': 'xterm', 'COLUMNS': '140'},
    )
    os.close(terminal)
    seen = b''
    while True:
        try:
            piece = os.read(controller, 4096)
        except OSError:  # Linux's way of saying that the other end was closed
            break
        if not piece:
            break
        seen += piece
    os.close(controller)
    assert process.wait(timeout=60) == 0
    text = seen.decode()
    assert 'epoch 1/2' in text
    assert 'epoch 2: validation task loss' in text
    assert 'Epoch(train)' not in text
    assert 'Finished: validation mIoU' in text


def test_a_run_whose_workers_persist_ends_when_it_has_finished(configs, repository):
    options = [
        f'{split}_dataloader.{key}'
        for split in ('train', 'val')
        for key in ('num_workers=1', 'persistent_workers=True')
    ]
    process = subprocess.Popen(
        [
            sys.executable,
            '-W',
            'ignore',
            str(repository / 'tools/train.py'),
            'no_distill.py',
            '--cfg-options',
            *options,
        ],
        env={**os.environ, 'PYTHONPATH': str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert any('Finished: validation mIoU' in line for line in process.stdout)
    assert process.wait(timeout=50) == 0  # a worker that waits for a second signal continues for a minute


def test_the_same_recipe_on_other_data_is_another_teacher(configs):
    from mapsage_mmseg.engine.teachers.keys import content_key

    recipe = load_config('teacher.py')
    key = content_key(recipe)
    assert content_key(load_config('teacher.py')) == key
    for change in ('train_dataloader.dataset.length=9', 'optim_wrapper.optimizer.lr=0.01', 'randomness.seed=4'):
        other = load_config('teacher.py')
        override(other, [change])
        assert content_key(other) != key
    other = load_config('teacher.py')
    override(other, ['train_dataloader.num_workers=4', 'default_hooks.logger.interval=7'])
    assert content_key(other) == key


def test_resume_goes_on_with_the_newest_run(configs):
    assert cli.run(train.main, ['no_distill.py', '--cfg-options', 'train_cfg.max_epochs=1']) == 0
    run = only('experiments', 'no_distill_*')
    assert len(json.loads((run / 'result.json').read_text())['epochs']) == 1
    assert cli.run(train.main, ['no_distill.py', '--resume']) == 0
    assert only('experiments', 'no_distill_*') == run
    record = json.loads((run / 'result.json').read_text())
    assert [entry['epoch'] for entry in record['epochs']] == [1, 2]
    assert [entry['terms']['task'] is not None for entry in record['epochs']] == [True, True]


def test_another_config_of_the_same_name_is_not_mixed_into_a_run(configs, capfd):
    options = ['--cfg-options', 'optim_wrapper.optimizer.lr=0.002']
    assert cli.run(train.main, ['no_distill.py', *options, 'train_cfg.max_epochs=1']) == 0
    run, kept = only('experiments', 'no_distill_*'), only('experiments', 'no_distill_*/config.py').read_text()
    assert cli.run(train.main, ['no_distill.py', '--resume']) == 2
    assert 'optim_wrapper.optimizer.lr: 0.001, was 0.002' in capfd.readouterr().err
    assert (run / 'config.py').read_text() == kept
    assert cli.run(train.main, ['no_distill.py', '--resume', *options]) == 0
    assert cli.run(train.main, ['no_distill.py', '--resume', '--work-dir', str(run)]) == 0
    out = ''.join(capfd.readouterr())
    assert 'from here on it follows this one' in out and 'has finished already' in out


def test_a_resumed_run_keeps_its_seed_and_its_batches(configs, capfd):
    with open('no_distill.py', 'a') as file:
        file.write('param_scheduler[0].update(end=2)')  # as the longer run has it
    assert cli.run(train.main, ['no_distill.py', '--seed', '3', '--cfg-options', 'train_cfg.max_epochs=1']) == 0
    assert cli.run(train.main, ['no_distill.py', '--resume', '--cfg-options', 'train_dataloader.batch_size=3']) == 2
    said = capfd.readouterr().err
    assert 'was begun by another config' in said and 'train_dataloader.batch_size: 3, was 2' in said
    run = str(only('experiments', 'no_distill_*'))
    options = ['--cfg-options', 'train_dataloader.batch_size=3']
    assert cli.run(train.main, ['no_distill.py', '--resume', '--work-dir', run, *options]) == 2
    assert 'a step of this run saw 2 images' in capfd.readouterr().err
    assert cli.run(train.main, ['no_distill.py', '--resume', '--seed', '4']) == 2
    assert 'the run began with randomness.seed 3, and now has 4' in capfd.readouterr().err
    assert cli.run(train.main, ['no_distill.py', '--resume']) == 0
    resumed = json.loads((only('experiments', 'no_distill_*') / 'result.json').read_text())
    assert cli.run(train.main, ['no_distill.py', '--seed', '3', '--work-dir', 'whole']) == 0
    whole = json.loads(Path('whole/result.json').read_text())
    assert [entry['terms'] for entry in resumed['epochs']] == [entry['terms'] for entry in whole['epochs']]


def test_a_teacher_by_another_name_and_a_stale_one_whose_data_are_gone(configs, monkeypatch):
    Path('mine.py').write_text(
        "_base_ = 'teacher.py'\nexperiment = 'mine'\noptim_wrapper = dict(optimizer=dict(lr=5e-4))"
    )
    stale = Path('experiments/teacher_20260101_000000')
    stale.mkdir(parents=True)
    gone = load_config('teacher.py')
    gone.train_dataloader.dataset = dict(type='FolderLandCover', data_root='gone')
    gone.dump(str(stale / 'config.py'))
    (stale / 'result.json').write_text('{"status": "interrupted"}')
    (stale / 'last_checkpoint').touch()
    options = ['--cfg-options', 'teacher_recipe=mine.py', 'train_cfg.max_epochs=1', 'model.teacher_check=warn']
    assert cli.run(train.main, ['improved.py', *options]) == 0
    only('experiments', 'teachers/*/teacher.pth')


def test_a_folder_of_tiles_trains_every_config(configs, dubai, repository):
    for name in ('improved', 'baseline', 'no_distill', 'teacher_tiles', 'ablations/no_attention'):
        config = load_config(repository / f'configs/distill/{name}.py')
        data_root.apply_data_root(config, str(dubai))
        assert config.train_dataloader.dataset.type == 'FolderLandCover'
        assert config.test_dataloader.dataset.data_root == str(dubai.resolve())
        heads = (
            [config.model]
            if name in ('no_distill', 'teacher_tiles')
            else [config.model.architecture, config.model.teacher]
        )
        assert {head.decode_head.num_classes for head in heads} == {5}
        if len(heads) == 2:
            assert config.teacher_recipe == 'teacher_tiles.py'
            assert heads[1].backbone.stem.type == 'EfficientNetLiteStem'


def test_a_config_that_reads_tiles_its_own_way_keeps_it(configs, dubai, repository):
    config = load_config(repository / 'configs/distill/improved.py')
    own = dict(type='FolderLandCover', split='train', max_unreadable=9, pipeline=[dict(type='PackSegInputs')])
    config.train_dataloader.dataset = own
    data_root.apply_data_root(config, str(dubai))
    assert config.train_dataloader.dataset == dict(own, data_root=str(dubai.resolve()))
    assert config.val_dataloader.dataset.type == 'FolderLandCover' and len(config.val_dataloader.dataset.pipeline) == 3


def test_real_tiles_train_and_score(configs, dubai):
    options = [
        'train_dataloader.batch_size=1',
        'train_dataloader.dataset.indices=2',
        'val_dataloader.dataset.indices=2',
        'train_cfg.max_epochs=1',
        'test_dataloader.dataset.indices=2',
    ]
    assert (
        cli.run(
            train.main, ['no_distill.py', '--data-root', str(dubai), '--skip-data-check', '--cfg-options', *options]
        )
        == 0
    )
    run = only('experiments', 'no_distill_*')
    record = json.loads((run / 'result.json').read_text())
    assert record['dataset']['name'] == 'dubai'
    assert record['dataset']['chance_loss'] == pytest.approx(1.6094379)
    assert cli.run(test.main, [str(run), '--pictures', '1']) == 0


def test_one_image_over_a_batch_is_left_out_rather_than_failed_on(configs):
    """A batch of one has no statistics for the teacher's pooling to 1 x 1."""
    options = ['train_dataloader.dataset.length=3', 'train_dataloader.batch_size=2']
    assert cli.run(train.main, ['teacher.py', '--cfg-options', *options]) == 0
    record = json.loads((only('experiments', 'teacher_*') / 'result.json').read_text())
    assert [entry['iter'] for entry in record['epochs']] == [1]


def test_two_runs_of_the_same_second_get_two_directories(tmp_path):
    from mapsage_mmseg.engine.runs.directory import new_run_dir

    assert new_run_dir(tmp_path, 'a') != new_run_dir(tmp_path, 'a')


def test_help_does_not_mention_the_flag_that_makes_mim_use_legacy_ones():
    assert '--gpus' not in train.parser().format_help()


def test_every_knob_can_be_reached_by_name(repository):
    config = Config.fromfile(str(repository / 'configs/distill/improved.py'))
    override(
        config,
        [
            'default_hooks.temperature.start=8.0',
            'default_hooks.phases.phases.1.weights.distill=0.5',
            'model.distiller.levels.distill.loss.type=mmrazor.ChannelWiseDivergence',
        ],
    )
    assert config.default_hooks.temperature.start == 8.0
    assert config.default_hooks.phases.phases[1].weights.distill == 0.5


def test_the_last_line_says_what_was_measured_and_nothing_else(tmp_path):
    """Without a teacher's metric in the evaluator there is nothing to say of the teacher."""
    entry = dict(
        epoch=1, seconds=90.0, val=dict(mIoU=51.624, task_loss=0.7795, teacher_agreement=None, teacher_mIoU=None)
    )
    record = dict(status='finished', dataset=dict(chance_loss=1.6094), epochs=[entry])
    (tmp_path / 'result.json').write_text(json.dumps(record))
    expected = f'Finished: validation mIoU 51.62, task loss 0.7795 (chance 1.6094); trained 1.5 min. See {tmp_path}'
    assert in_short(str(tmp_path)) == expected


def test_strict_reaches_the_diagnosis(repository):
    config = prepare(repository / 'configs/distill/improved.py', TrainOptions(strict=True))
    assert config.default_hooks.diagnosis == dict(type='DiagnosisHook', strict=True)
