"""Files that are whole or not there."""

import os
import random
from pathlib import Path

import pytest
import torch

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.whole_file import remove_partial, whole_file, write_text


def test_nobody_sees_a_file_before_it_is_whole(tmp_path):
    path = tmp_path / 'deep' / 'a.txt'
    write_text(path, 'before')
    with whole_file(path) as file:
        file.write(b'now')
        file.flush()
        assert path.read_text() == 'before'
    assert path.read_text() == 'now'
    assert os.listdir(path.parent) == ['a.txt']


@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'), KeyboardInterrupt()])
def test_what_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / 'a.txt'
    write_text(path, 'before')
    with pytest.raises(type(error)), whole_file(path) as file:
        file.write(b'no')
        raise error
    assert path.read_text() == 'before'
    assert os.listdir(tmp_path) == ['a.txt']


def test_what_a_killed_writer_left_is_removed(tmp_path):
    with whole_file(tmp_path / 'a') as file:
        os.link(file.name, tmp_path / '.a.0123.partial')  # as it would be left
    remove_partial(tmp_path)
    assert os.listdir(tmp_path) == ['a']


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('checkpoint') / 'a.pth'
    content = dict(meta=dict(iter=7), state_dict={f'w{number}': torch.randn(9, 5) for number in range(6)})
    torch.save(content, path)
    return path


def test_every_cut_is_found(checkpoint, tmp_path):
    content = checkpoint.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        (tmp_path / 'cut.pth').write_bytes(content[:length])
        with pytest.raises(InputError, match='it is cut short'):
            load_checkpoint_file(tmp_path / 'cut.pth')


def test_every_flipped_bit_is_found_or_changes_nothing(checkpoint, tmp_path):
    content, path, draw = bytearray(checkpoint.read_bytes()), tmp_path / 'flipped.pth', random.Random(0)
    expected, found = load_checkpoint_file(checkpoint), 0
    for place in draw.sample(range(len(content)), 400):
        bit = 1 << draw.randrange(8)
        content[place] ^= bit
        path.write_bytes(content)
        content[place] ^= bit
        try:
            loaded = load_checkpoint_file(path)
        except InputError:
            found += 1
            continue
        # padding, times, attributes
        assert loaded['meta'] == expected['meta']
        assert all(torch.equal(loaded['state_dict'][key], value) for key, value in expected['state_dict'].items())
    assert found > 100


def test_a_damaged_tensor_is_not_read(checkpoint, tmp_path):
    """torch.load itself takes it without a word."""
    content, path = bytearray(checkpoint.read_bytes()), tmp_path / 'rotten.pth'
    values = torch.load(checkpoint, weights_only=True)['state_dict']['w3'].numpy().tobytes()
    content[content.index(values)] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)['meta'] == dict(iter=7)
    with pytest.raises(InputError, match=r'rotten\.pth is damaged: the checksum of .*data/3 does not hold'):
        load_checkpoint_file(path)
