"""A study in SQLite: seeded, the same with and without interruptions, and one process's at a time."""

import json
import subprocess
import sys

import pytest

optuna = pytest.importorskip('optuna', reason='needs the extra [tune]')

from mapsage_mmseg.errors import InputError  # noqa: E402
from mapsage_mmseg.training import jobs, search  # noqa: E402
from mapsage_mmseg.training import study as studies  # noqa: E402
from mapsage_mmseg.training.study import FAILURE, ask, counted, importances, open_study, owned, was_cut_off  # noqa: E402

KNOBS = dict(rate=dict(low=1e-4, high=1e-2, log=True), share=dict(low=0.0, high=0.4), layers=dict(choices=[1, 2]))
SETUP = dict(knobs=KNOBS, seed=0, epochs=9)
STATE = optuna.trial.TrialState


@pytest.fixture(autouse=True)
def few_random_trials(monkeypatch):
    monkeypatch.setattr(studies, 'RANDOM_TRIALS', 4)


@pytest.fixture
def study(tmp_path):
    return open_study(tmp_path, 'a', SETUP)


def score(values):
    return 100 * values['share'] + values['layers']


def go_on(folder, trials, cut_off=()):
    """Runs a study to so many trials; attempts in ``cut_off``, by number, end with the process."""
    folder.mkdir()
    study, drawn = open_study(folder, 'a', SETUP), []
    while len(counted(study)) < trials:
        trial, values = ask(study, KNOBS, 0)
        if trial.number in cut_off:
            study = open_study(folder, 'a', SETUP)
        else:
            study.tell(trial, score(values))
            drawn.append(values)
    return drawn


def test_values_lie_in_their_ranges_and_follow_from_the_seed(tmp_path):
    first, again = (go_on(tmp_path / name, 6) for name in 'ab')
    assert first == again
    assert len({values['rate'] for values in first}) == 6
    for values in first:
        assert 1e-4 <= values['rate'] <= 1e-2 and 0 <= values['share'] <= 0.4 and values['layers'] in (1, 2)
    trial, other = ask(open_study(tmp_path, 'b', SETUP), KNOBS, seed=1)
    assert other not in first


def test_a_study_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    # 7 trials: the sampler draws 4 at random, the others from what it has learned.
    whole, stopped = (tmp_path / name for name in ('whole', 'stopped'))
    assert go_on(whole, 7) == go_on(stopped, 7, cut_off=(0, 5, 6, 9))
    study = open_study(stopped, 'a', SETUP)
    assert [trial.number for trial in study.trials if was_cut_off(trial)] == [0, 5, 6, 9]
    assert (
        study.trials[6].params == study.trials[5].params == study.trials[7].params
    )  # tried again with the same values


def test_a_trial_that_failed_by_itself_counts(study):
    trial, _ = ask(study, KNOBS, 0)
    trial.set_user_attr(FAILURE, 'out of memory')
    study.tell(trial, state=STATE.FAIL)
    assert len(counted(study)) == 1


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(seed=1), r"the study 'a' was begun with other seed \(0, now 1\)"),
        (dict(epochs=5), r'other epochs \(9, now 5\)'),
        (dict(knobs={}), 'other knobs'),
    ],
)
def test_another_setup_is_another_study(study, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        open_study(tmp_path, 'a', {**SETUP, **change})


def test_a_file_that_is_no_study_is_named(tmp_path):
    (tmp_path / 'study.db').write_bytes(b'no database at all ' * 100)
    with pytest.raises(InputError, match=r"study\.db is no study of Optuna's"):
        open_study(tmp_path, 'a', SETUP)


def test_one_process_at_a_time(tmp_path):
    with owned(tmp_path), pytest.raises(InputError, match='another process is tuning in'), owned(tmp_path):
        pass
    with owned(tmp_path):
        pass


def test_the_knob_that_decides_is_the_most_important(study):
    for _ in range(20):
        trial, values = ask(study, KNOBS, 0)
        study.tell(trial, values['share'])
    found = importances(study)
    assert set(found) == set(KNOBS) and max(found, key=found.get) == 'share'
    assert sum(found.values()) == pytest.approx(1.0)


def test_too_few_trials_say_nothing_of_importance(study):
    for value in (1.0, 2.0, 3.0):
        study.tell(ask(study, KNOBS, 0)[0], value)
    assert importances(study) == {}


def write(run, *scores, status='running'):
    run.mkdir(parents=True, exist_ok=True)
    epochs = [dict(epoch=number, val=dict(mIoU=score)) for number, score in enumerate(scores, 1)]
    (run / 'result.json').write_text(json.dumps(dict(epochs=epochs, status=status)))


def sleeping(seconds):
    return subprocess.Popen([sys.executable, '-S', '-c', f'import time; time.sleep({seconds})'])


def test_below_the_median_a_run_is_stopped_and_above_it_goes_on(study, tmp_path):
    for _ in range(5):
        trial, _ = ask(study, KNOBS, 0)
        for epoch in range(1, 10):
            trial.report(20.0, epoch)
        study.tell(trial, 20.0)
    better, _ = ask(study, KNOBS, 0)
    write(tmp_path / 'better', 1.0, 1.0, 25.0, 10.0)  # the first third goes by, and then the best so far counts
    process = sleeping(2)
    assert not search.follow(process, better, tmp_path / 'better', 9)
    assert process.returncode == 0
    worse, _ = ask(study, KNOBS, 0)
    write(tmp_path / 'worse', 15.0, 15.0, 15.0, 15.0, 15.0)
    process = sleeping(600)
    assert search.follow(process, worse, tmp_path / 'worse', 9)
    assert process.returncode is not None
    assert list(study.trials[-1].intermediate_values) == [1, 2, 3, 4]


@pytest.fixture
def base():
    from mmengine.config import Config

    return Config(
        dict(train_cfg=dict(max_epochs=9), optim_wrapper=dict(optimizer=dict(lr=1.0)), model={}, default_hooks={})
    )


@pytest.mark.parametrize(
    ('code', 'scores', 'said', 'state'),
    [
        ('', (10.0, 30.0), 'mIoU 30.00 on the tuning split', 'COMPLETE'),
        ('', (), 'failed: ', 'FAIL'),
        ("raise SystemExit('out of memory')", (10.0,), 'failed: out of memory; see', 'FAIL'),
    ],
)
def test_what_a_trial_comes_to(study, tmp_path, monkeypatch, base, code, scores, said, state):
    run = tmp_path / 'run'

    def start(argv, log):
        assert argv == [str(run / 'config.py'), '--work-dir', str(run)]
        (run / 'checkpoints').mkdir()
        (run / 'checkpoints' / 'epoch_1.pth').touch()
        (run / 'last_checkpoint').touch()
        write(run, *scores)
        with open(log, 'w') as file:
            return subprocess.Popen([sys.executable, '-S', '-c', code], stderr=file)

    monkeypatch.setattr(jobs, 'start', start)
    trial, _ = ask(study, KNOBS, 0)
    assert search.attempt(study, trial, base, dict(learning_rate=0.5), run).startswith(said)
    assert study.trials[0].state.name == state and len(counted(study)) == 1
    assert {path.name for path in run.iterdir()} == {'config.py', 'console.txt', 'result.json'}
    assert 'lr=0.5' in (run / 'config.py').read_text() and base.optim_wrapper.optimizer.lr == 1.0
