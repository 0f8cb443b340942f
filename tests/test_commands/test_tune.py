"""The tuning tool from its command line: stopped, resumed, and what it leaves."""

import json
from pathlib import Path

import pytest

from mapsage_mmseg.commands import cli, train, tune
from mapsage_mmseg.settings.load import load_config
from tests.small import interrupt_when, write_configs


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """The package's configs made small, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_configs(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py', '--trials', '1'], 'config nowhere.py does not exist'),
        (['improved.py', '--trials', '0'], '--trials 0: must be a whole number from 1'),
        (['improved.py', '--trials', '1', '--seed', '-1'], '--seed -1: must be a whole number from 0'),
        (['improved.py', '--trials', '1', '--epochs', '0'], '--epochs 0: must be'),
        (['improved.py', '--trials', '1', '--knobs', 'colour'], '--knobs colour: '),
        (['improved.py', '--trials', '1', '--scene', '(a)'], 'the built-in scenes need none'),
        (['improved.py'], '--trials'),
    ],
)
def test_mistakes_end_with_status_2_and_one_line(configs, capfd, arguments, message):
    pytest.importorskip('optuna', reason='needs the extra [tune]')
    assert cli.run(tune.main, arguments) == 2
    error = capfd.readouterr().err
    assert message in error and 'Traceback' not in error
    assert not Path('experiments').exists()


def test_without_optuna_it_says_how_to_get_it(configs, capfd, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'optuna', None)
    assert cli.run(tune.main, ['improved.py', '--trials', '1']) == 2
    assert "pip install 'optuna>=3.6'" in capfd.readouterr().err


@pytest.mark.slow
def test_it_is_stopped_and_goes_on_to_as_many_trials_and_the_best_trains(configs, capfd):
    pytest.importorskip('optuna', reason='needs the extra [tune]')
    knobs = ['learning_rate', 'weight_distill', 'connector_layers']
    command = ['improved.py', '--trials', '2', '--epochs', '1', '--knobs', *knobs]
    folder = Path('experiments/tune_improved_distill')

    with interrupt_when(f'{folder}/trial_001/result.json'):
        assert cli.run(tune.main, command) == 1
    assert json.loads((folder / 'trial_001/result.json').read_text())['status'] == 'interrupted'
    capfd.readouterr()

    assert cli.run(tune.main, command) == 0
    said = capfd.readouterr().out
    assert '1 trials so far, 1 to go' in said and '[2/2] trial 2' in said and 'Importance of the knobs' in said
    runs = {path.name: json.loads((path / 'result.json').read_text()) for path in folder.glob('trial_*')}
    assert {name: record['status'] for name, record in runs.items()} == dict(
        trial_000='finished', trial_001='interrupted', trial_002='finished'
    )
    assert not list(folder.glob('trial_*/checkpoints')) and not list(folder.glob('trial_*/last_checkpoint'))
    first, again = (load_config(folder / f'{name}/config.py') for name in ('trial_001', 'trial_002'))
    assert first.optim_wrapper == again.optim_wrapper and first.default_hooks.phases == again.default_hooks.phases
    assert (first.train_dataloader.dataset.part, first.val_dataloader.dataset.part) == ('fit', 'tune')
    (teacher,) = Path('experiments').glob('teacher_*')
    assert load_config(teacher / 'config.py').train_dataloader.dataset.part == 'fit'
    assert 'fit' not in {record['dataset']['name'] for record in runs.values()}

    assert cli.run(tune.main, command) == 0  # as many as asked for: nothing is left to do
    assert '2 trials so far, 0 to go' in capfd.readouterr().out and len(list(folder.glob('trial_*'))) == 3
    best = folder / 'best.py'
    values = [record['epochs'][-1]['val']['mIoU'] for record in (runs['trial_000'], runs['trial_002'])]
    assert f'mIoU {max(values):.2f} on the tuning split' in best.read_text()
    assert load_config(best).optim_wrapper.optimizer.lr != load_config('improved.py').optim_wrapper.optimizer.lr
    assert 'part' not in load_config(best).train_dataloader.dataset
    assert cli.run(train.main, [str(best)]) == 0
