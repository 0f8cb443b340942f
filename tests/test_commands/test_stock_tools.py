"""The same configs under MMSegmentation's own training tool, which mim starts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def mim(repository, folder, *options, flags=()):
    """Runs ``mim train mmsegmentation`` on the improved experiment, cut to two iterations, in an empty folder."""
    command = shutil.which('mim', path=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')
    if command is None:
        pytest.skip('mim is not installed; it comes with the extra [mim]')
    small = [
        'train_cfg.max_epochs=1',
        'train_dataloader.dataset.length=4',
        'train_dataloader.batch_size=2',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.dataset.length=2',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
    ]
    config = repository / 'configs/distill/improved.py'
    environment = {**os.environ, 'PYTHONPATH': str(repository), 'PATH': f'{Path(command).parent}:{os.environ["PATH"]}'}
    return subprocess.run(
        [command, 'train', 'mmsegmentation', str(config), *flags, '--cfg-options', *small, *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_mim_trains_the_improved_experiment_in_its_own_work_dir(repository, full_teacher, tmp_path):
    result = mim(repository, tmp_path, f'model.teacher_ckpt={full_teacher}')
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    run = tmp_path / 'work_dirs' / 'improved'
    record = json.loads((run / 'result.json').read_text())
    assert record['status'] == 'finished'
    assert record['experiment'] == 'improved_distill'
    assert list((run / 'checkpoints').glob('best_mIoU*.pth'))
    assert list((run / 'logs').glob('events.out.tfevents*'))
    assert (run / 'config.py').is_file()


@pytest.mark.slow
def test_the_stock_tools_amp_works_without_a_gpu_too(repository, full_teacher, tmp_path):
    """It asks for MMEngine's AmpOptimWrapper, which under MMSegmentation's scope is ours."""
    result = mim(repository, tmp_path, f'model.teacher_ckpt={full_teacher}', flags=['--amp'])
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert json.loads((tmp_path / 'work_dirs' / 'improved' / 'result.json').read_text())['status'] == 'finished'


def test_without_a_teacher_mim_ends_with_the_command_that_makes_one(repository, tmp_path):
    result = mim(repository, tmp_path)
    assert result.returncode != 0
    assert 'python tools/train.py' in result.stdout + result.stderr
