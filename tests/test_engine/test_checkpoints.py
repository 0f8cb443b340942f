"""What lies in a run's checkpoint folder, in which order it comes and goes, and which of it a resume takes."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.engine.runs.checkpoint_files import newest_whole, resumable
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.record import read_record
from tests import runs


def names(folder):
    return sorted(path.name for path in (folder / 'run' / 'checkpoints').iterdir())


def train(folder, name, epochs, resume=False, **hooks):
    cfg = runs.config(folder, epochs=epochs, **hooks)
    cfg.resume, cfg.experiment_name = resume, f'{folder.name}_{name}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Three epochs, watched: every step on the folder, in order."""
    folder, steps = tmp_path_factory.mktemp('trained'), []
    real = dict(replace=os.replace, unlink=Path.unlink)

    def replace(old, new):
        real['replace'](old, new)
        steps.append(('written', Path(new).name))

    def unlink(self, **settings):
        steps.append(('removed', self.name))
        real['unlink'](self, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mapsage_mmseg.whole_file.os.replace', replace)
        patch.setattr('pathlib.Path.unlink', unlink)
        train(folder, 'first', 3)
    return folder, [step for step in steps if step[1] not in ('result.json', 'config.py')]


@pytest.fixture
def copy(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_what_is_old_goes_when_what_is_new_is_whole_and_named(trained):
    _, steps = trained
    third = steps.index(('written', 'epoch_3.pth'))
    assert steps[third : third + 3] == [
        ('written', 'epoch_3.pth'),
        ('written', 'last_checkpoint'),
        ('removed', 'epoch_1.pth'),
    ]
    for number, (verb, name) in enumerate(steps):
        if verb == 'removed' and name.startswith('best'):  # the next best, and a checkpoint that knows of it
            assert steps[number - 1] == ('written', 'last_checkpoint')
            assert any(verb == 'written' and name.startswith('best') for verb, name in steps[number - 3 : number])


def test_two_to_go_on_with_and_the_best_are_kept(trained):
    folder, _ = trained
    (best,) = (folder / 'run' / 'checkpoints').glob('best_*')
    assert names(folder) == [best.name, 'epoch_2.pth', 'epoch_3.pth']
    last = load_checkpoint_file(folder / 'run/checkpoints/epoch_3.pth')
    assert Path(last['message_hub']['runtime_info']['best_ckpt']) == best


SLOW = pytest.mark.slow


@pytest.mark.parametrize('harm', [pytest.param('cut', marks=SLOW), 'rot', pytest.param('empty', marks=SLOW)])
def test_a_resume_passes_over_what_is_damaged_says_why_and_ends_the_same(copy, harm):
    newest = copy / 'run/checkpoints/epoch_3.pth'
    expected, record = load_checkpoint_file(newest), read_record(copy / 'run/result.json')
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    newest.write_bytes({'cut': content[:-100], 'rot': content, 'empty': b''}[harm])
    (copy / 'run/result.json').write_text('{"epochs": [')  # and the record's entries stand in the checkpoint too
    runner = train(copy, f'again_{harm}', 3, resume=True)
    state = runner.model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in expected['state_dict'].items())
    assert load_checkpoint_file(newest)['meta']['iter'] == 18
    log = ''.join(path.read_text() for path in (copy / 'run').glob('*/*.log'))
    reason = 'is damaged: the checksum of' if harm == 'rot' else 'cannot be read, it is cut short'
    assert f'Passed over: checkpoint {newest} {reason}' in log
    entries = [read_record(copy / 'run/result.json')['epochs'], record['epochs']]
    for entry in [*entries[0], *entries[1]]:
        entry.pop('seconds')
    assert entries[0] == entries[1]


def test_a_resume_with_nothing_whole_is_refused_and_begins_nothing(copy):
    for path in (copy / 'run/checkpoints').glob('epoch_*'):
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r'no checkpoint of .* is whole \(.*epoch_3.*cut short.*; .*epoch_2'):
        train(copy, 'again', 3, resume=True)


def test_a_resume_before_the_first_checkpoint_begins_anew(tmp_path):
    assert train(tmp_path, 'first', 1, resume=True).iter == 6


@SLOW
def test_a_new_run_over_an_old_one_keeps_what_it_would_take_for_its_own(copy):
    train(copy, 'over', 1)
    kept = [name for name in names(copy) if name.endswith('.aside')]
    assert len(kept) == 3 and 'epoch_3.pth.aside' in kept
    assert 'epoch_1.pth' in names(copy)


@SLOW
def test_a_best_checkpoint_that_is_gone_is_made_again(copy):
    (best,) = (copy / 'run/checkpoints').glob('best_*')
    best.unlink()
    train(copy, 'again', 3, resume=True)  # makes up the last validation
    assert [name for name in names(copy) if name.startswith('best')] == ['best_mIoU_epoch_3.pth']


@SLOW
def test_a_run_directory_may_move(copy):
    (copy / 'run').rename(copy / 'moved')
    (copy / 'moved').rename(copy / 'run')
    elsewhere = copy / 'elsewhere'
    shutil.copytree(copy / 'run', elsewhere / 'run')
    shutil.rmtree(copy / 'run')
    cfg = runs.config(copy, epochs=4)
    cfg.work_dir, cfg.resume, cfg.experiment_name = str(elsewhere / 'run'), True, 'moved'
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert Path(runner.message_hub.get_info('best_ckpt')).parent == elsewhere / 'run' / 'checkpoints'


def test_the_newest_is_the_one_of_most_iterations(tmp_path):
    folder = tmp_path / 'checkpoints'
    folder.mkdir()
    for name in ('epoch_10.pth', 'iter_61.pth', 'epoch_9.pth', 'best_mIoU_epoch_9.pth', 'iter_7.pth', 'epoch_11.pth'):
        torch.save({}, folder / name)
    (folder / 'epoch_11.pth').write_bytes(b'half')
    assert [path.name for _, path in resumable(tmp_path, 6)] == [
        'epoch_11.pth',
        'iter_61.pth',
        'epoch_10.pth',
        'epoch_9.pth',
        'iter_7.pth',
    ]
    path, passed = newest_whole(tmp_path, 6)
    assert (path.name, len(passed)) == ('iter_61.pth', 1) and 'epoch_11.pth cannot be read' in passed[0]


@pytest.mark.parametrize('key', ['out_dir', 'filename_tmpl', 'backend_args'])
def test_places_and_names_are_not_to_be_chosen(tmp_path, key):
    with pytest.raises(InputError, match=f'leave default_hooks.checkpoint.{key} out'):
        Runner.from_cfg(runs.config(tmp_path, checkpoint={key: 'x'}))


def test_a_record_that_was_changed_is_not_taken_for_the_run(trained):
    from mapsage_mmseg.evaluation.record import open_record

    path = trained[0] / 'run' / 'result.json'
    content = path.read_text()
    record = json.loads(content)
    assert read_record(path) is not None and len(record['sha256']) == 64
    path.write_text(content.replace('"seed": 5', '"seed": 6'))
    try:
        assert read_record(path) is None
        with pytest.raises(InputError, match='its key sha256 does not hold'):
            open_record(path)
    finally:
        path.write_text(content)
