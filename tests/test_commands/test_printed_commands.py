"""What the product prints as a command works as it stands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mapsage_mmseg.commands import cli, train
from tests import small
from tests.small import interrupt_when


def given(command):
    """The arguments of a printed ``python tools/train.py ...``."""
    words = shlex.split(command)
    assert words[:2] == ['python', 'tools/train.py']
    return words[2:]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / 'a folder'
    folder.mkdir()
    small.write_configs(folder)
    monkeypatch.chdir(folder)


def newest(experiment):
    path = max(Path('experiments').glob(f'{experiment}_*/result.json'))
    return path.parent, json.loads(path.read_text())


def test_the_control_that_a_report_asks_for_is_trained_by_the_command_in_it():
    options = ['model.teacher_check=warn', 'optim_wrapper.optimizer.lr=2e-3', 'train_dataloader.batch_size=4']
    assert cli.run(train.main, ['improved.py', '--epochs', '2', '--seed', '4', '--cfg-options', *options]) == 0
    run, record = newest('improved_distill')
    command = record['commands']['control']
    assert f'<code>{command}</code>' in (run / 'report.html').read_text()
    assert given(command) == [
        *('no_distill.py', '--cfg-options', 'optim_wrapper.optimizer.lr=2e-3', 'train_dataloader.batch_size=4'),
        *('--epochs', '2', '--seed', '4'),
    ]
    assert cli.run(train.main, given(command)) == 0
    assert 'Against no_distill, paired by seed' in (run / 'report.html').read_text()


def test_an_interrupted_run_is_resumed_by_the_command_that_it_prints(capfd):
    with interrupt_when('experiments/no_distill_*/last_checkpoint'):
        assert cli.run(train.main, ['no_distill.py', '--epochs', '30', '--seed', '9']) == 1
    (command,) = re.findall(r'continue with: (.+)', capfd.readouterr().err)
    assert cli.run(train.main, given(command)) == 0
    _, record = newest('no_distill')
    assert (record['status'], record['seed'], len(record['epochs'])) == ('finished', 9, 30)
