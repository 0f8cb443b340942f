"""What the training tool answers to wrong input, and to faults of its own."""

import errno
from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

from mapsage_mmseg.commands import cli, test, train
from mapsage_mmseg.errors import InputError
from tests import tiny


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['no_distill.py', '--cfg-options', 'train_dataloader.dataset.length=1'], '1 images make no batch of 2'),
        (['no_distill.py', '--cfg-options', 'train_dataloader=None'], 'train_dataloader.dataset is None'),
        (['no_distill.py', '--cfg-options', 'train_dataloader.dataset=None'], 'train_dataloader.dataset is None'),
        (['no_distill.py', '--cfg-options', 'val_dataloader=None'], 'val_dataloader=None: without a validation'),
        (['nowhere.py'], 'config nowhere.py does not exist'),
        (['broken.py'], 'config broken.py cannot be read: SyntaxError'),
        (['empty.py'], 'trains nothing'),
        (['no_distill.py', '--seed', '-1'], '--seed -1'),
        (['no_distill.py', '--resume'], "no run of 'no_distill' lies under"),
        (['no_distill.py', '--resume', '--work-dir', 'elsewhere'], 'elsewhere holds no checkpoint'),
        (['no_distill.py', '--data-root', 'nowhere'], '--data-root nowhere: no such folder'),
        (['no_distill.py', '--cfg-options', 'nonsense'], 'must read key=value'),
        (
            ['no_distill.py', '--cfg-options', 'train_cfg.max_epochs.deep=1'],
            '--cfg-options train_cfg.max_epochs.deep=1',
        ),
        (['no_distill.py', '--launcher', 'pytorch'], 'start it with: bash tools/dist_train.sh CONFIG PROCESSES'),
        (['no_distill.py', '--launcher', 'slurm'], '--launcher slurm: SLURM_PROCID, SLURM_NTASKS'),
        (['no_distill.py', '--amp', '--cfg-options', 'optim_wrapper.dtype=float16'], "dtype='float16' needs a GPU"),
        (['no_distill.py', '--colour', 'blue'], 'unrecognized arguments: --colour blue'),
    ],
)
def test_mistakes_end_with_status_2_and_one_line(configs, capfd, monkeypatch, arguments, message):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    Path('broken.py').write_text('model = dict(')
    Path('empty.py').write_text('a = 1')
    assert cli.run(train.main, arguments) == 2
    error = capfd.readouterr().err
    assert message in error
    assert 'Traceback' not in error


def test_a_failure_of_ours_is_status_1_with_its_traceback(capfd):
    def main(argv):
        raise RuntimeError('a bug')

    assert cli.run(main, []) == 1
    assert 'a bug' in capfd.readouterr().err


def test_a_place_that_may_not_be_written_is_the_users_to_change(capfd):
    def main(argv):
        raise PermissionError(errno.EROFS, 'Read-only file system', 'there/file')

    assert cli.run(main, []) == 2
    assert capfd.readouterr().err == 'error: there/file: Read-only file system; name a place that you may use\n'


def test_debug_shows_the_traceback_of_a_mistake_too(capfd):
    def main(argv):
        raise InputError('wrong')

    assert cli.run(main, ['--debug']) == 2
    assert 'Traceback' in capfd.readouterr().err


def test_weights_of_another_student_are_refused_in_one_line(configs, capfd, tmp_path):
    """tools/test.py with a checkpoint whose shapes differ."""
    weights = MODELS.build(tiny.student(classes=5)).state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'other.pth')
    assert cli.run(test.main, ['no_distill.py', str(tmp_path / 'other.pth')]) == 2
    error = capfd.readouterr().err
    assert 'other.pth does not fit the config' in error and 'Traceback' not in error
