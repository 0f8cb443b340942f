"""Files that were sent by somebody: whatever way they come in, nothing that they say is executed."""

import logging
import os
import pickle
import shutil

import pytest
import safetensors.torch
import torch
from mmseg.registry import MODELS

from mapsage_mmseg.commands import cli, doctor, replay, test, train
from mapsage_mmseg.evaluation.record import read_record
from tests import small, tiny


class Touches:
    """Unpickled the ordinary way, it makes a file of the name ``executed``."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'touch {self.marker}',)


def by_torch(content, path):
    torch.save(content, path)


def by_torch_of_old(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def by_pickle(content, path):
    path.write_bytes(pickle.dumps(content, protocol=2))


WRITERS = dict(zip=by_torch, legacy=by_torch_of_old, pickle=by_pickle)
INIT = 'model.backbone.init_cfg'
# Way in -> tool, its arguments in the folder below. BAD is the file's path.
WAYS = {
    'train, load_from': (train, 'no_distill.py --cfg-options load_from=BAD'),
    'train, load_from and resume': (train, 'no_distill.py --cfg-options load_from=BAD resume=True'),
    'train --resume': (train, 'no_distill.py --resume --work-dir run'),
    'teacher_ckpt': (train, 'improved.py --cfg-options model.teacher_ckpt=BAD'),
    'teacher in the doctor': (doctor, 'improved.py --cfg-options model.teacher_ckpt=BAD'),
    'init_cfg': (train, f'no_distill.py --cfg-options {INIT}.type=Pretrained {INIT}.checkpoint=BAD'),
    'init_cfg, by a prefix': (
        train,
        f'no_distill.py --cfg-options {INIT}.type=Pretrained {INIT}.checkpoint=BAD {INIT}.prefix=backbone',
    ),
    'test CHECKPOINT': (test, 'no_distill.py BAD'),
    'test RUN': (test, 'run'),
    'test --teacher': (test, 'improved.py --teacher --cfg-options model.teacher_ckpt=BAD'),
    'replay RUN': (replay, 'run'),
    'replay FILE': (replay, 'run/black_box.pth'),
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Small configs, and a run of one of them."""
    folder = tmp_path_factory.mktemp('untrusted')
    small.write_configs(folder, epochs=1)
    (folder / 'run/checkpoints').mkdir(parents=True)
    shutil.copy(folder / 'no_distill.py', folder / 'run/config.py')
    return folder


@pytest.fixture(autouse=True)
def in_the_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(logging, 'raiseExceptions', False)  # loggers of earlier tests write to streams that are closed
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')  # has torch.load execute what a file says, by default


@pytest.mark.parametrize(
    ('way', 'writer'), [*((way, 'zip') for way in WAYS), ('train, load_from', 'legacy'), ('replay FILE', 'pickle')]
)
def test_a_file_that_would_run_code_is_refused_by_name_whatever_way_it_comes_in(folder, capfd, way, writer):
    marker = folder / 'executed'
    bad = {'test RUN': 'run/checkpoints/epoch_1.pth', 'train --resume': 'run/checkpoints/epoch_1.pth'}
    path = folder / bad.get(way, 'run/black_box.pth' if way.startswith('replay') else 'sent.pth')
    WRITERS[writer](dict(state_dict=dict(weight=Touches(marker)), meta=Touches(marker)), path)
    tool, line = WAYS[way]
    arguments = [word.replace('BAD', str(path)) for word in line.split()]
    try:
        status = cli.run(tool.main, arguments)
    finally:
        path.unlink()
    errors = [line for line in capfd.readouterr().err.splitlines() if 'error' in line or 'Traceback' in line]
    assert status == 2
    assert len(errors) == 1 and path.name in errors[0] and 'was refused, nothing of it was executed' in errors[0], (
        errors
    )
    assert not marker.exists()


@pytest.mark.parametrize('writer', WRITERS)
def test_the_files_above_do_run_code_when_they_are_trusted(folder, writer):
    marker, path = folder / 'executed', folder / 'sent.pth'
    WRITERS[writer](Touches(marker), path)
    if writer == 'pickle':
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert marker.exists()
    marker.unlink()


def test_a_config_in_yaml_runs_no_code(folder, capfd):
    (folder / 'sent.yaml').write_text(f'model: !!python/object/apply:os.system ["touch {folder / "executed"}"]\n')
    assert cli.run(train.main, ['sent.yaml']) == 2
    assert 'sent.yaml' in capfd.readouterr().err
    assert not (folder / 'executed').exists()


# Weights in a file that can hold nothing else


def as_safetensors(path, weights, **meta):
    safetensors.torch.save_file({key: value.contiguous() for key, value in weights.items()}, path, meta)
    return path


def test_a_teacher_in_safetensors_brings_its_card_along(folder, tmp_path):
    teacher = MODELS.build(tiny.teacher()).state_dict()
    path = as_safetensors(tmp_path / 'teacher.safetensors', teacher, mIoU='90.5', note='ours')
    arguments = ['--work-dir', str(tmp_path / 'run'), '--cfg-options', f'model.teacher_ckpt={path}']
    assert cli.run(train.main, ['improved.py', *arguments]) == 0
    assert read_record(tmp_path / 'run/result.json')['teacher']['mIoU'] == 90.5


def test_a_student_in_safetensors_scores_as_its_checkpoint_does(folder, tmp_path):
    torch.manual_seed(0)
    weights = MODELS.build(tiny.student()).state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'student.pth')
    as_safetensors(tmp_path / 'student.safetensors', weights)
    outs = []
    for name in ('student.pth', 'student.safetensors'):
        outs.append(tmp_path / f'{name}.json')
        arguments = [str(tmp_path / name), '--out', str(outs[-1]), '--work-dir', str(tmp_path), '--pictures', '0']
        assert cli.run(test.main, ['no_distill.py', *arguments]) == 0
    assert outs[0].read_text() == outs[1].read_text()


@pytest.mark.parametrize('spoil', ['cut', 'pickle', 'empty'])
def test_a_safetensors_that_is_none_is_refused(folder, tmp_path, capfd, spoil):
    path = as_safetensors(tmp_path / 'student.safetensors', MODELS.build(tiny.student()).state_dict())
    if spoil == 'pickle':
        by_pickle(Touches(tmp_path / 'executed'), path)
    else:
        path.write_bytes(path.read_bytes()[: 1000 if spoil == 'cut' else 0])
    assert cli.run(test.main, ['no_distill.py', str(path)]) == 2
    assert 'student.safetensors cannot be read, it is cut short or no safetensors' in capfd.readouterr().err
    assert not (tmp_path / 'executed').exists()
