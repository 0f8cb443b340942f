"""Several configs with several seeds: what is planned, run, resumed, and compared."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mapsage_mmseg.commands import cli, repeat
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.training import jobs
from mapsage_mmseg.training import plan as plans
from mapsage_mmseg.training.arms import arms_of
from tests.records import record, write
from tests.small import interrupt_when, write_configs


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """The package's configs made small, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_configs(tmp_path)
    return tmp_path


@pytest.fixture
def compared(monkeypatch):
    """What was handed to the comparison: run directories, page."""
    calls = []
    monkeypatch.setattr(repeat, 'write_comparison', lambda folders, page, looks: calls.append((folders, page)))
    return calls


def put(arm, seed, name='run', silent_for=0, checkpoint=True, **changes):
    """A run directory of that arm and seed, whose files were written so many seconds ago."""
    folder = Path(arm.root) / name
    folder.mkdir(parents=True)
    record = dict(key=arm.key, seed=seed, status='finished', experiment=arm.experiment, epochs=[dict(seconds=1.0)])
    (folder / 'result.json').write_text(json.dumps({**record, **changes}))
    if checkpoint:
        (folder / 'checkpoints').mkdir()
        (folder / 'checkpoints' / 'epoch_1.pth').touch()
    for path in (*folder.rglob('*'), folder):
        os.utime(path, (time.time() - silent_for,) * 2)
    return folder


def arms(*paths, options=(), **settings):
    return arms_of(paths, None, options, **settings)


def test_the_control_comes_by_itself_and_first(configs):
    assert [arm.experiment for arm in arms('improved.py')] == ['no_distill', 'improved_distill']
    assert [arm.experiment for arm in arms('improved.py', 'no_distill.py')] == ['improved_distill', 'no_distill']
    assert [arm.experiment for arm in arms('improved.py', control=False)] == ['improved_distill']
    assert [arm.experiment for arm in arms('no_distill.py')] == ['no_distill']


def test_a_config_names_its_own_control(configs):
    Path('other.py').write_text("_base_ = 'no_distill.py'\nexperiment = 'other'\noptim_wrapper = dict(clip_grad=None)")
    Path('best.py').write_text("_base_ = 'improved.py'\ncontrol = 'other.py'\nexperiment = 'best'")
    assert [arm.experiment for arm in arms('best.py')] == ['other', 'best']
    Path('best.py').write_text("_base_ = 'improved.py'\ncontrol = 'nowhere.py'")
    with pytest.raises(InputError, match=r"best\.py: control='nowhere\.py' was not found"):
        arms('best.py')


def test_a_control_of_other_data_is_no_control(configs):
    Path('other.py').write_text("_base_ = 'no_distill.py'\ntrain_dataloader = dict(dataset=dict(length=6))")
    Path('best.py').write_text("_base_ = 'improved.py'\ncontrol = 'other.py'")
    with pytest.raises(InputError, match='have other data, so they do not compare'):
        arms('best.py')


def test_a_control_gets_the_options_that_concern_it(configs):
    options = [
        'train_cfg.max_epochs=3',
        'model.architecture.backbone.drop_path_rate=0.3',
        'model.teacher_check=warn',
        'default_hooks.temperature.start=8',
        'default_hooks.phases.phases.1.weights.distill=0.5',
        'optim_wrapper.optimizer.amsgrad=True',
    ]
    control, arm = arms('improved.py', options=options)
    assert list(control.options.cfg_options) == [
        'train_cfg.max_epochs=3',
        'model.backbone.drop_path_rate=0.3',
        'optim_wrapper.optimizer.amsgrad=True',
    ]
    assert control.config.model.backbone.drop_path_rate == 0.3
    assert 'temperature' not in control.config.default_hooks
    assert arm.config.default_hooks.temperature.start == 8


def test_seed_by_seed_so_that_arms_compare_early(configs):
    runs = plans.plan(arms('improved.py'), [4, 2])
    assert [(run.arm.experiment, run.seed, run.state) for run in runs] == [
        ('no_distill', 4, 'to run'),
        ('improved_distill', 4, 'to run'),
        ('no_distill', 2, 'to run'),
        ('improved_distill', 2, 'to run'),
    ]


LONG = [dict(seconds=1.0), dict(seconds=1200.0)]


@pytest.mark.parametrize(
    ('there', 'state'),
    [
        ({}, 'finished'),
        (dict(silent_for=1e6), 'finished'),
        (dict(checkpoint=False), 'finished'),
        (dict(status='interrupted'), 'to resume'),
        (dict(status='failed'), 'to resume'),
        (dict(status='failed', checkpoint=False), 'to run'),
        (dict(status='running'), 'running elsewhere'),
        (dict(status='running', silent_for=plans.SILENCE - 60), 'running elsewhere'),
        (dict(status='running', silent_for=plans.SILENCE + 60), 'to resume'),
        (
            dict(status='running', silent_for=2000, epochs=LONG),
            'running elsewhere',
        ),
        (dict(status='running', silent_for=2500, epochs=LONG), 'to resume'),
        (dict(status='running', silent_for=plans.SILENCE + 60, checkpoint=False), 'to run'),
        (dict(key='another'), 'to run'),
        (dict(key=None), 'to run'),
        (dict(experiment='under another name'), 'finished'),
    ],
)
def test_what_a_run_directory_leaves_to_do(configs, there, state):
    (arm,) = arms('no_distill.py')
    folder = put(arm, 0, **there)
    (run,) = plans.plan([arm], [0])
    assert (run.state, run.folder) == (state, None if state == 'to run' else folder)


def test_another_seed_is_another_run(configs):
    (arm,) = arms('no_distill.py')
    put(arm, 1)
    assert [run.state for run in plans.plan([arm], [0, 1])] == ['to run', 'finished']


def test_the_user_knows_that_a_process_is_gone(configs):
    (arm,) = arms('no_distill.py')
    put(arm, 0, status='running')
    assert [run.state for run in plans.plan([arm], [0], resume_running=True)] == ['to resume']


def test_of_several_runs_the_finished_one_counts(configs):
    (arm,) = arms('no_distill.py')
    put(arm, 0, 'a', status='interrupted')
    done = put(arm, 0, 'b', silent_for=100)
    put(arm, 0, 'c', status='running')
    assert [(run.state, run.folder) for run in plans.plan([arm], [0])] == [('finished', done)]


def test_a_dry_run_shows_the_plan_and_starts_nothing(configs, compared, capfd):
    control, _ = arms('improved.py')
    put(control, 1)
    before = sorted(configs.rglob('*'))
    assert cli.run(repeat.main, ['improved.py', '--seeds', '0', '1', '--dry-run']) == 0
    assert sorted(configs.rglob('*')) == before and not compared
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == '4 runs, 1 of them finished already:'
    assert lines[3].split() == ['no_distill', 'seed', '1', 'finished', f'{configs}/experiments/run']
    assert lines[4].split() == ['improved_distill', 'seed', '1', 'to', 'run']
    assert lines[5].startswith(f'Trained first: the teacher {configs}/experiments/teachers/') and len(lines) == 6


def test_where_all_is_done_there_is_only_the_comparison(configs, compared):
    (arm,) = arms('no_distill.py')
    folders = [str(put(arm, seed, f'run{seed}')) for seed in (0, 1)]
    assert cli.run(repeat.main, ['no_distill.py', '--seeds', '0', '1']) == 0
    ((given, page),) = compared
    assert given == folders
    assert (page.parent, page.suffix) == (configs / 'experiments', '.html') and page.name.startswith('repeat_2')


def test_what_runs_elsewhere_is_left_alone_and_named(configs, compared, capfd):
    (arm,) = arms('no_distill.py')
    put(arm, 0, status='running')
    assert cli.run(repeat.main, ['no_distill.py', '--seeds', '0']) == 1
    captured = capfd.readouterr()
    assert '--resume-running' in captured.out and 'not finished: no_distill, seed 0' in captured.err
    assert not compared


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'config nowhere.py does not exist'),
        (['no_distill.py', '--seeds', '0', '0'], '--seeds 0 0: must be whole numbers from 0, each once'),
        (['no_distill.py', '--seeds', '0', '-1'], '--seeds 0 -1: must be'),
        (['no_distill.py', '--jobs', '0'], '--jobs 0: must be'),
        (['no_distill.py', '--until-clear'], '--until-clear: name more than 3 seeds'),
        (['no_distill.py', './no_distill.py'], './no_distill.py is the same run as no_distill.py'),
        (['no_distill.py', '--data-root', 'nowhere'], '--data-root nowhere: no such folder'),
        (['no_distill.py', '--cfg-options', 'nonsense'], 'must read key=value'),
        (
            ['no_distill.py', '--cfg-options', "model.cache=dict(keep='float16', levels=['a', 'b'])"],
            'model.cache.KEY=value',
        ),
    ],
)
def test_mistakes_end_with_status_2_and_one_line(configs, capfd, arguments, message):
    assert cli.run(repeat.main, arguments) == 2
    error = capfd.readouterr().err
    assert message in error and 'Traceback' not in error


def records():
    return {path.parent: json.loads(path.read_text()) for path in sorted(Path('experiments').glob('*/result.json'))}


@pytest.mark.slow
def test_it_is_stopped_and_goes_on_and_each_run_is_there_once(configs, compared, capfd):
    command = ['improved.py', '--seeds', '3', '--cfg-options', 'train_cfg.max_epochs=4']
    with interrupt_when('experiments/improved_distill_*/last_checkpoint'):
        assert cli.run(repeat.main, command) == 1
    captured = capfd.readouterr()
    assert 'the same command continues' in captured.out and not compared
    stopped = {record['experiment']: record for record in records().values()}
    assert stopped['no_distill']['status'] == stopped['teacher']['status'] == 'finished'
    assert stopped['improved_distill']['status'] == 'interrupted'
    assert len(list(Path('experiments').glob('teachers/*/teacher.pth'))) == 1

    assert cli.run(repeat.main, command) == 0
    said = capfd.readouterr().out
    assert '[1/1] improved_distill, seed 3: continues in' in said and 'finished, mIoU' in said
    after = records()
    assert {record['experiment']: record['status'] for record in after.values()} == dict.fromkeys(stopped, 'finished')
    assert len(after) == 3  # nothing was run twice
    assert {record['seed'] for record in after.values() if record['experiment'] != 'teacher'} == {3}
    students = [str(folder.resolve()) for folder in after if 'teacher' not in folder.name]
    assert sorted(compared[0][0]) == sorted(students)
    planned = plans.plan(arms('improved.py', options=command[-1:]), [3])
    assert [run.state for run in planned] == ['finished', 'finished']  # a run finds itself by its record's key


@pytest.mark.slow
def test_a_run_that_another_command_has_is_left_alone(configs, compared, capfd):
    """Two commands made the same plan; the other one holds the run's claim."""
    (run,) = plans.plan(arms('no_distill.py', control=False), [0])
    script = (
        'import sys, time; from mapsage_mmseg.folder_lock import RunLock; '
        'lock = RunLock(sys.argv[1]); lock.acquire(); print("held", flush=True); time.sleep(60)'
    )
    folder = Path(run.arm.root) / plans.CLAIMS / f'{run.arm.key}_0'
    other = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script, str(folder)], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b'held\n'
        assert cli.run(repeat.main, ['no_distill.py', '--seeds', '0', '--no-control']) == 1
    finally:
        other.kill()
        other.wait()
    assert 'left alone, another command has it' in capfd.readouterr().out
    assert not list(Path('experiments').glob('no_distill_*'))


def test_a_run_that_fails_does_not_stop_the_others(configs, compared, capfd):
    Path('broken.py').write_text(
        "_base_ = 'no_distill.py'\nexperiment = 'broken'\ntrain_dataloader = dict(batch_size=-1)"
    )
    assert cli.run(repeat.main, ['broken.py', 'no_distill.py', '--seeds', '0', '--jobs', '2']) == 1
    captured = capfd.readouterr()
    assert 'broken, seed 0: failed after' in captured.out and 'no_distill, seed 0: finished, mIoU' in captured.out
    assert 'not finished: broken, seed 0' in captured.err and 'batch_size' in captured.err
    log = Path(captured.err.split('; see ')[1].strip())
    assert log.name == jobs.CONSOLE and 'batch_size=-1' in log.read_text()
    ((folders, _),) = compared
    assert [Path(folder).name.rsplit('_', 2)[0] for folder in folders] == ['no_distill']


@pytest.mark.slow
def test_a_run_does_not_outlive_its_killed_parent(configs, repository):
    options = ['--cfg-options', 'train_cfg.max_epochs=500']
    process = subprocess.Popen(
        [sys.executable, str(repository / 'tools/repeat.py'), 'no_distill.py', '--seeds', '0', *options],
        env={**os.environ, 'PYTHONPATH': str(repository)},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(Path().glob('experiments/*/last_checkpoint')) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    while 'running' in [record['status'] for record in records().values()] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [record['status'] for record in records().values()] == ['interrupted']


@pytest.mark.parametrize(('gains', 'seeds'), [((2.0, 2.1, 1.9), 3), ((2.0, -1.0, 1.5, 2.0, 1.0), 5)])
def test_it_stops_at_the_seed_from_which_the_difference_is_clear(gains, seeds, configs, monkeypatch, capfd):
    """Runs that others have finished stand in for trainings; what is asked is when it stops."""
    written = []
    monkeypatch.setattr(repeat, 'write_comparison', lambda *given: written.append(given))
    monkeypatch.setattr(jobs, 'run_all', lambda step, environments: [finish(run) for run in step])
    monkeypatch.setattr(plans, 'train_teachers', lambda step: None)

    def finish(run):
        alone = run.arm.experiment == 'no_distill'
        content = record(run.arm.experiment, run.seed, 50.0 if alone else 50.0 + gains[run.seed % len(gains)])
        run.folder = write(configs / 'done', content, f'2026010{run.seed}_000000')

    assert cli.run(repeat.main, ['improved.py', '--seeds', '0', '1', '2', '3', '4', '--until-clear']) == 0
    ((folders, _, looks),) = written
    assert looks == (3, 5) and len(folders) == 2 * seeds
    assert ('Every difference is clear after 3 seeds' in capfd.readouterr().out) is (seeds == 3)
