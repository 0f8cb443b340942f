"""compat.py: a checkpoint is read without executing anything that it says."""

import http.server
import importlib
import importlib.util
import io
import os
import subprocess
import threading
import types
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner, checkpoint, load_checkpoint
from torch import nn

from mapsage_mmseg import compat
from mapsage_mmseg.errors import InputError

# Checkpoints of MMEngine


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x, mode='tensor'):
        return {'loss': (self.weight - torch.stack(x).mean()) ** 2}


class Ones(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {'x': torch.ones(1)}


def tiny_runner(work_dir, name):
    return Runner(
        model=Line(),
        work_dir=str(work_dir),
        experiment_name=name,
        train_dataloader=dict(dataset=Ones(), batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False)),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        default_hooks=dict(checkpoint=dict(type=CheckpointHook, interval=1)),
        default_scope='mmengine',
        log_level='ERROR',
    )


def test_a_real_checkpoint_resumes_with_its_history_of_numbers(tmp_path):
    runner = tiny_runner(tmp_path, 'compat_first')
    runner.message_hub.update_scalar('train/numpy', np.float64(2.5), count=3)
    runner.train()

    resumed = tiny_runner(tmp_path, 'compat_second')
    resumed.resume(str(tmp_path / 'epoch_1.pth'))

    assert resumed.iter == 2
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['message_hub']['log_scalars']
    found = resumed.message_hub.log_scalars
    assert found.keys() == saved.keys() and {'train/loss', 'train/numpy'} <= found.keys()
    for key, buffer in saved.items():
        for mine, theirs in zip(found[key].data, buffer.data, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert found[key].statistics('mean') == buffer.statistics('mean')
    assert resumed.message_hub.get_scalar('train/numpy').current() == 2.5


def history():
    buffer = HistoryBuffer()
    for value in (3.0, 1.0, 2.0):
        buffer.update(value)
    return buffer


def test_statistics_survive_the_round_trip_through_mmengine(tmp_path):
    path = tmp_path / 'x.pth'
    numbers = {kind: np.array([0, 1], dtype=kind) for kind in ('bool', 'uint8', 'int32', 'int64', 'float32', 'float64')}
    content = {'state_dict': Line().state_dict(), 'history': history(), 'arrays': numbers, 'scalar': np.float32(0.5)}
    torch.save(content, path)

    loaded = load_checkpoint(Line(), str(path), logger='silent')

    statistics = {name: loaded['history'].statistics(name) for name in ('min', 'max', 'mean', 'current')}
    assert statistics == {'min': 1.0, 'max': 3.0, 'mean': 2.0, 'current': 2.0}
    assert loaded['scalar'] == 0.5
    for kind, array in loaded['arrays'].items():
        assert array.dtype == kind
        np.testing.assert_array_equal(array, numbers[kind])


def rewritten(data: bytes, old: bytes, new: bytes) -> bytes:
    """The same checkpoint with the text of its pickle replaced."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, 'w', zipfile.ZIP_STORED) as out:
        for name in source.namelist():
            body = source.read(name)
            out.writestr(name, body.replace(old, new) if name.endswith('data.pkl') else body)
    return target.getvalue()


def saved_bytes(content, **kwargs) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **kwargs)
    return buffer.getvalue()


@pytest.mark.parametrize('module', ['numpy.core.multiarray', 'numpy._core.multiarray'])
def test_arrays_that_the_other_numpy_wrote_are_read(tmp_path, module):
    data = saved_bytes({'array': np.arange(3.0), 'scalar': np.float64(1.5)})
    written_by = 'numpy.core.multiarray' if np.__version__.startswith('1.') else 'numpy._core.multiarray'
    assert written_by.encode() in data
    (tmp_path / 'x.pth').write_bytes(rewritten(data, written_by.encode(), module.encode()))

    loaded = compat.load_checkpoint_file(str(tmp_path / 'x.pth'))

    np.testing.assert_array_equal(loaded['array'], [0.0, 1.0, 2.0])
    assert loaded['scalar'] == 1.5


# Files that mean harm


class Calls:
    """Unpickled the ordinary way, it calls ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __call__(self):
        """The pickler takes only something callable as the function of a call."""

    def __reduce__(self):
        return self.call


def harmful(marker):
    python = f'open({str(marker)!r}, "w")'
    return {
        'os.system': Calls(os.system, f'touch {marker}'),
        'subprocess.Popen': Calls(subprocess.Popen, ['touch', str(marker)]),
        'builtins.eval': Calls(eval, python),
        'builtins.exec': Calls(exec, python),
        'importlib.import_module': Calls(importlib.import_module, 'antigravity'),
        'getattr of a builtin': Calls(Calls(getattr, dict, 'fromkeys'), 'ab'),
        'getattr towards globals': Calls(getattr, Calls(getattr, HistoryBuffer, '__init__'), '__globals__'),
        'getattr towards subclasses': Calls(Calls(getattr, HistoryBuffer, '__subclasses__')),
        'HistoryBuffer method, called': Calls(Calls(getattr, HistoryBuffer, 'mean'), history()),
        'open': Calls(open, str(marker), 'w'),
    }


@pytest.mark.parametrize('reader', [compat.load_checkpoint_file, CheckpointLoader.load_checkpoint])
@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('name', harmful('x'))
def test_a_harmful_file_is_refused_and_not_executed(tmp_path, name, zipped, reader):
    marker = tmp_path / 'executed'
    path = tmp_path / 'x.pth'
    content = {'state_dict': {}, 'meta': harmful(marker)[name]}
    path.write_bytes(saved_bytes(content, _use_new_zipfile_serialization=zipped))

    with pytest.raises(InputError, match='refused, nothing of it was executed') as caught:
        reader(str(path))

    assert not marker.exists()
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)


def test_the_refusal_names_what_was_refused(tmp_path):
    torch.save(Calls(os.system, 'true'), tmp_path / 'x.pth')
    with pytest.raises(InputError, match=rf'GLOBAL {os.name}\.system\b'):
        compat.load_checkpoint_file(str(tmp_path / 'x.pth'))


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address on this machine under which its files are to be had."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args):
            pass

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f'http://127.0.0.1:{server.server_address[1]}'
        server.shutdown()
        thread.join()


def test_a_file_behind_a_url_is_read_under_the_same_rule(served):
    folder, address = served
    torch.save({'state_dict': {'weight': torch.ones(())}, 'history': history()}, folder / 'good.pth')
    torch.save(Calls(os.system, f'touch {folder / "executed"}'), folder / 'bad.pth')

    assert CheckpointLoader.load_checkpoint(f'{address}/good.pth')['history'].statistics('max') == 3.0
    with pytest.raises(InputError, match=f'{address}/bad.pth was refused'):
        CheckpointLoader.load_checkpoint(f'{address}/bad.pth')

    assert not (folder / 'executed').exists()


@pytest.mark.parametrize('address', ['s3://bucket/x.pth', 'openmmlab://mine'])
def test_a_file_from_a_storage_is_read_under_the_same_rule(tmp_path, monkeypatch, address):
    """Even where the environment has torch execute by default what a file says."""
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    path, storage = tmp_path / 'x.pth', types.SimpleNamespace(get=lambda name: path.read_bytes())
    monkeypatch.setattr(checkpoint, 'get_file_backend', lambda *args, **kwargs: storage)
    monkeypatch.setattr(checkpoint, 'get_external_models', lambda: {'mine': str(path)})

    torch.save({'history': history()}, path)
    assert CheckpointLoader.load_checkpoint(address)['history'].statistics('max') == 3.0
    torch.save(Calls(os.system, f'touch {tmp_path / "executed"}'), path)
    with pytest.raises(InputError, match='was refused, nothing of it was executed'):
        CheckpointLoader.load_checkpoint(address)
    assert not (tmp_path / 'executed').exists()


def test_an_address_without_a_file_is_no_fault_of_the_contents(served):
    with pytest.raises(OSError, match='404'):
        CheckpointLoader.load_checkpoint(f'{served[1]}/absent.pth')


# Files that are no checkpoints


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'hello, world\n',
        b'\x89PNG\r\n\x1a\n' + bytes(100),
        b'PK\x03\x04',
        bytes(1000),
        b'{"a": 1}',
        b'version https',
    ],
    ids=['empty', 'text', 'png', 'zip head', 'zeros', 'json', 'lfs pointer'],
)
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path, content):
    path = tmp_path / 'x.pth'
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'cannot be read, it is cut short or no checkpoint') as caught:
        compat.load_checkpoint_file(str(path))
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / 'absent.pth', tmp_path):
        with pytest.raises(InputError, match=rf'checkpoint {path} does not exist'):
            CheckpointLoader.load_checkpoint(str(path))


WHOLE = {zipped: saved_bytes({'a': torch.ones(50)}, _use_new_zipfile_serialization=zipped) for zipped in (True, False)}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(zipped=st.booleans(), share=st.floats(0, 0.999))
def test_a_truncated_file_is_an_input_error(tmp_path_factory, zipped, share):
    data = WHOLE[zipped]
    path = tmp_path_factory.mktemp('cut') / 'x.pth'
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=str(path)):
        compat.load_checkpoint_file(str(path))


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@settings(max_examples=60, deadline=None, derandomize=True)
@given(zipped=st.booleans(), where=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_damaged_file_loads_or_is_an_input_error(tmp_path_factory, zipped, where, value):
    data = bytearray(WHOLE[zipped])
    data[where % len(data)] = value
    path = tmp_path_factory.mktemp('damaged') / 'x.pth'
    path.write_bytes(data)
    try:
        compat.load_checkpoint_file(str(path))
    except InputError as error:
        assert str(path) in str(error)


# What is left behind


@pytest.mark.parametrize('content', ['good', 'harmful', 'no checkpoint'])
def test_the_allow_list_ends_with_the_read(tmp_path, content):
    path = tmp_path / 'x.pth'
    if content == 'no checkpoint':
        path.write_text('hello')
    else:
        torch.save({'a': history() if content == 'good' else Calls(os.system, 'true')}, path)
    mine = [np.dtype, np.ndarray]  # as a user may have allowed them for reasons of their own
    outside = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(mine)
    try:
        before = set(torch.serialization.get_safe_globals())
        try:
            compat.load_checkpoint_file(str(path))
        except InputError:
            assert content != 'good'
        assert set(torch.serialization.get_safe_globals()) == before
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(outside)


def test_the_plain_torch_load_stays_as_strict_as_it_was(tmp_path):
    torch.save(history(), tmp_path / 'x.pth')
    compat.load_checkpoint_file(str(tmp_path / 'x.pth'))
    with pytest.raises(Exception, match='HistoryBuffer'):
        torch.load(tmp_path / 'x.pth', weights_only=True)


def test_mmengine_logs_a_readable_name_for_the_reader(tmp_path):
    assert CheckpointLoader._get_checkpoint_loader(str(tmp_path / 'x.pth')).__name__ == 'load_from_local'
