"""What a folder of tiles may ask of the machine: pixels that a file claims, and links that lead out of the folder."""

import resource
import shutil
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.datasets.tiles.files import fingerprint
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import MAX_PIXELS, open_raster

LOADING = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]


def bomb(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, whole and sound, all black; about 8000 pixels a byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(1 + -(-width // 8))
    pixels = b''.join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', pixels) + chunk(b'IEND', b'')


@pytest.fixture
def root(tmp_path):
    """Two tiles to train on and one to validate on, 8 x 8 pixels."""
    root = tmp_path / 'tiles'
    for split, names in (('train', 'ab'), ('val', 'c')):
        for kind in ('img_dir', 'ann_dir'):
            (root / kind / split).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.full((8, 8, 3), 50, np.uint8)).save(root / f'img_dir/{split}/{name}.png')
            Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 2).save(root / f'ann_dir/{split}/{name}.png')
    (root / 'dataset.yaml').write_text('name: tiles\nclasses: [water, land]\n')
    return root


def check(root, **settings):
    check_folder(root, read_dataset_yaml(root), **settings)


def peak() -> int:
    """Most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# Pixels


@pytest.fixture(scope='module')
def small_file():
    """A billion pixels, just below what OpenCV itself refuses: decoded, three gigabytes."""
    content = bomb(32_000, 32_000)
    assert len(content) < 150_000
    return content


@pytest.mark.parametrize('kind', ['img_dir', 'ann_dir'])
def test_a_small_file_of_a_billion_pixels_is_answered_before_memory_is_taken(root, small_file, kind):
    (root / kind / 'train/b.png').write_bytes(small_file)
    before = peak()
    with pytest.raises(
        InputError, match=rf'{kind}/train/b.png claims 1024000000 pixels, above the {MAX_PIXELS}'
    ) as told:
        check(root)
    assert '\n' not in str(told.value)
    assert peak() - before < 100


@pytest.mark.parametrize('kind', ['img_dir', 'ann_dir'])
def test_in_training_it_is_skipped_undecoded_by_name(root, small_file, kind, caplog):
    (root / kind / 'train/b.png').write_bytes(small_file)
    data, before = FolderLandCover(str(root), pipeline=LOADING), peak()
    assert data[1]['img_path'].endswith('a.png')
    assert data.skipped_images() == ['img_dir/train/b.png']
    assert peak() - before < 100
    (root / kind / 'train/a.png').write_bytes(small_file)
    with pytest.raises(InputError, match='2 of 2 images became unreadable, above the 1 .*claims 1024000000 pixels'):
        FolderLandCover(str(root), pipeline=LOADING)[1]


def test_a_header_alone_that_claims_sixty_thousand_squared(root):
    head = bytearray(bomb(8, 8))
    head[16:24] = struct.pack('>II', 60_000, 60_000)
    head[29:33] = struct.pack('>I', zlib.crc32(bytes(head[12:29])))
    (root / 'img_dir/val/c.png').write_bytes(head)
    with pytest.raises(InputError, match='c.png claims 3600000000 pixels'):
        check(root)


def test_the_limit_counts_pixels_and_can_be_set(root):
    check(root, max_pixels=64)
    with pytest.raises(InputError, match='a.png claims 64 pixels, above the 63 that an image may have'):
        check(root, max_pixels=63)
    with pytest.raises(InputError, match='images became unreadable'):
        FolderLandCover(str(root), pipeline=LOADING, max_pixels=63)[1]


@pytest.mark.parametrize('limit', [0, -1, 1.5, '9', None, True, 2**62])
def test_a_limit_that_is_none_is_refused(root, limit):
    with pytest.raises(InputError, match=r'dataset\.max_pixels=.* must be a whole number from 1 to'):
        FolderLandCover(str(root), max_pixels=limit)


HEADS = [b'', b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'II*\0', b'BM', b'P5 ', b'GIF89a']


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    content=st.binary(max_size=60), head=st.sampled_from([b'', b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'II*\0', b'BM'])
)
def test_a_header_of_any_bytes_passes_or_is_an_input_error(tmp_path_factory, content, head):
    file = tmp_path_factory.getbasetemp() / 'any.png'
    file.write_bytes(head + content)
    try:
        with open_raster(file, max_pixels=100):
            pass
    except InputError as error:
        assert str(file) in str(error)


# Links


def load(root, **settings):
    return [FolderLandCover(str(root), split, pipeline=LOADING, **settings) for split in ('train', 'val')]


@pytest.mark.parametrize('door', [check, load])
@pytest.mark.parametrize('kind', ['img_dir', 'ann_dir'])
def test_a_files_link_out_of_the_folder_is_refused_unless_the_user_insists(root, tmp_path, kind, door):
    file = root / kind / 'train/b.png'
    file.rename(tmp_path / 'elsewhere.png')
    file.symlink_to(tmp_path / 'elsewhere.png')
    with pytest.raises(
        InputError, match=rf'{kind}/train/b.png is a link that leads out of the data, to .*elsewhere.png'
    ):
        door(root)
    door(root, follow_links=True)


def test_links_within_the_folder_and_links_of_folders_are_followed(root, tmp_path):
    """As where a second split shares tiles, or where the tiles lie on another disk."""
    for kind in ('img_dir', 'ann_dir'):
        (root / kind / 'val/d.png').symlink_to('../train/a.png')
        disk = tmp_path / 'disk' / kind
        shutil.move(root / kind / 'train', disk)
        (root / kind / 'train').symlink_to(disk)
        (disk / 'e.png').symlink_to('a.png')  # within what the folder's link leads to
        shutil.move(root / kind, tmp_path / kind)
        (root / kind).symlink_to(tmp_path / kind)
    check(root)
    train, val = load(root)
    assert (len(train), len(val)) == (3, 2)
    linked = tmp_path / 'linked'
    linked.symlink_to(root)
    check(linked)
    assert fingerprint(linked, read_dataset_yaml(linked)) == fingerprint(root, read_dataset_yaml(root))


def test_two_links_to_one_folder_are_both_followed(root, tmp_path):
    for kind in ('img_dir', 'ann_dir'):
        shutil.copytree(root / kind / 'train', tmp_path / kind)
        for name in ('one', 'two'):
            (root / kind / f'train/{name}').symlink_to(tmp_path / kind)
    assert len(load(root)[0]) == 6


def test_a_link_to_a_folder_above_ends(root):
    (root / 'img_dir/train/again').symlink_to('..')
    (root / 'ann_dir/train/again').symlink_to('..')
    assert len(load(root)[0]) == 3  # the two tiles, and the validation tile through the link


# Names


@pytest.mark.parametrize('name', ['a\nb', 'a\x1b[2Jb', b'a\xffb'.decode('utf-8', 'surrogateescape')])
def test_a_file_name_that_breaks_lines_is_refused_in_one(root, name):
    for kind in ('img_dir', 'ann_dir'):
        shutil.copy(root / kind / 'train/a.png', root / kind / 'train' / f'{name}.png')
    with pytest.raises(InputError, match='expected names without control characters') as told:
        check(root)
    assert str(told.value).isprintable() and str(told.value).encode()
