"""FolderLandCover and its checks: every mistake of the user's is named, with its file."""

import os
import time

import cv2
import numpy as np
import pytest
import yaml
from mmseg.registry import DATASETS
from PIL import Image

from mapsage_mmseg.datasets.tiles import files as folder_files
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.datasets.tiles.files import fingerprint
from mapsage_mmseg.errors import InputError

NAMES = {'name': 'tiny', 'classes': ['water', 'land', 'road']}
LOADING = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]


def write_yaml(root, **content):
    (root / 'dataset.yaml').write_text(yaml.safe_dump(content))


@pytest.fixture
def root(tmp_path):
    """Two training tiles and one for validation, 8 x 6 pixels, with every class."""
    for split, names in (('train', ('a', 'b')), ('val', ('c',))):
        for kind in ('img_dir', 'ann_dir'):
            (tmp_path / kind / split).mkdir(parents=True)
        for number, name in enumerate(names):
            image = np.full((6, 8, 3), 40 * number + 10, np.uint8)
            Image.fromarray(image).save(tmp_path / 'img_dir' / split / f'{name}.png')
            label = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3
            label[0] = 255
            Image.fromarray(label).save(tmp_path / 'ann_dir' / split / f'{name}.png')
    write_yaml(tmp_path, **NAMES)
    return tmp_path


def refused(message, function, *args):
    with pytest.raises(InputError) as caught:
        function(*args)
    assert message in str(caught.value) and '\n' not in str(caught.value)


def test_defaults(root):
    spec = read_dataset_yaml(root)
    assert (spec.name, spec.classes, spec.ignore_index) == ('tiny', ('water', 'land', 'road'), 255)
    assert (spec.img_suffix, spec.seg_map_suffix) == ('.png', '.png')
    assert len(set(spec.palette)) == 3 and spec == read_dataset_yaml(str(root))


def test_generated_colours_are_far_apart(root):
    write_yaml(root, name='many', classes=[f'class {i}' for i in range(20)])
    colors = np.array(read_dataset_yaml(root).palette)
    distance = np.abs(colors[:, None] - colors[None]).sum(2) + 999 * np.eye(20, dtype=int)
    assert distance.min() >= 30 and colors.min() >= 0 and colors.max() <= 255


def test_all_keys(root):
    palette = [[0, 0, 255], [255, 255, 255], [1, 2, 3]]
    write_yaml(root, **NAMES, palette=palette, ignore_index=200, img_suffix='_rgb.tif', seg_map_suffix='_ids.png')
    spec = read_dataset_yaml(root)
    assert spec.palette == ((0, 0, 255), (255, 255, 255), (1, 2, 3))
    assert (spec.ignore_index, spec.img_suffix, spec.seg_map_suffix) == (200, '_rgb.tif', '_ids.png')


def test_suffix_is_taken_from_the_files(root, caplog):
    for file in list((root / 'img_dir').rglob('*.png')):
        file.rename(file.with_suffix('.JPG'))
    assert read_dataset_yaml(root).img_suffix == '.JPG'
    (root / 'img_dir/val/d.tif').touch()
    refused('img_dir holds images that end in .JPG and .tif; set img_suffix', read_dataset_yaml, root)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'name': None}, "'name' has no value"),
        ({'name': 7}, 'name has 7; expected text'),
        ({'name': '../x'}, "name has '../x'; expected text without slashes"),
        ({'classes': 'water'}, "classes has 'water'; expected a list"),
        ({'classes': ['water']}, "classes has ['water']; expected a list of 2 to 255 names"),
        ({'classes': ['water', False]}, 'classes has False; expected text'),
        ({'classes': ['water', 'land', 'water']}, "classes has 'water'; expected each name once"),
        ({'palette': [[1, 2, 3]]}, 'palette has [[1, 2, 3]]; expected a list of 3 colours'),
        ({'palette': [[1, 2, 3], [1, 2, 3], [1, 2, 256]]}, 'palette has [1, 2, 256]; expected [red, green, blue]'),
        ({'palette': [[1, 2, 3], [1, 2, 3], 'red']}, "palette has 'red'"),
        ({'ignore_index': 2}, 'ignore_index has 2; expected 3 to 255'),
        ({'ignore_index': 256}, 'ignore_index has 256'),
        ({'ignore_index': True}, 'ignore_index has True'),
        ({'img_suffix': 'png'}, "img_suffix has 'png'; expected the end of a file name"),
        ({'img_suffix': 5}, 'img_suffix has 5'),
        ({'seg_map_suffix': '/../../x.png'}, "seg_map_suffix has '/../../x.png'"),
        ({'ignore_indx': 255}, "unknown key 'ignore_indx'; did you mean 'ignore_index'?"),
        ({'zzz': 1}, "unknown key 'zzz'; the keys are name, classes"),
    ],
)
def test_mistakes_in_the_yaml(root, change, message):
    write_yaml(root, **{**NAMES, **change})
    refused(message, read_dataset_yaml, root)
    refused(str(root / 'dataset.yaml'), read_dataset_yaml, root)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'holds NoneType; expected "key: value" lines'),
        ('- a', 'holds list'),
        ('name: x', "key 'classes' is missing"),
        ('classes: [a, b]', "key 'name' is missing"),
        ('name: [x', 'cannot be read as YAML'),
        ('name: !!python/object/apply:os.getcwd []', 'cannot be read as YAML'),
    ],
)
def test_no_mapping(root, text, message):
    (root / 'dataset.yaml').write_text(text)
    refused(message, read_dataset_yaml, root)


def test_missing_yaml(root, tmp_path):
    (root / 'dataset.yaml').unlink()
    refused(f'{root}/dataset.yaml is missing', read_dataset_yaml, root)
    refused('nowhere/dataset.yaml is missing', read_dataset_yaml, tmp_path / 'nowhere')


def test_no_images_at_all(root):
    for file in list((root / 'img_dir').rglob('*.png')):
        file.unlink()
    refused('img_dir holds no .png, .jpg', read_dataset_yaml, root)


def check(root):
    check_folder(root, read_dataset_yaml(root))


def test_a_good_folder_passes(root):
    check(root)
    (root / 'img_dir/train/._a.png').write_text('what macOS leaves')
    (root / 'img_dir/train/notes.txt').write_text('what people leave')
    (root / 'ann_dir/train/extra.png').write_text('a label without an image is not looked at')
    check(root)


def test_palette_images_are_read_as_indices(root):
    label = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3, mode='P')
    label.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    label.save(root / 'ann_dir/train/a.png')
    assert Image.open(root / 'ann_dir/train/a.png').mode == 'P'
    check(root)
    assert set(np.unique(FolderLandCover(str(root), pipeline=LOADING)[0]['gt_seg_map'])) == {0, 1, 2}


@pytest.mark.parametrize('value', [3, 254])
def test_label_outside_the_classes(root, value):
    label = np.zeros((6, 8), np.uint8)
    label[4, 5] = value
    Image.fromarray(label).save(root / 'ann_dir/val/c.png')
    refused(f'ann_dir/val/c.png: label {value} at row 4, column 5; expected 0 to 2 (classes) or 255', check, root)


def test_label_beyond_one_byte(root):
    # Read as bytes, as training reads it, 256 would pass for class 0.
    Image.fromarray(np.full((6, 8), 256, np.uint16)).save(root / 'ann_dir/train/b.png')
    refused('ann_dir/train/b.png: label 256', check, root)


def test_another_ignore_index(root):
    write_yaml(root, **NAMES, ignore_index=9)
    refused('ann_dir/train/a.png: label 255 at row 0, column 0; expected 0 to 2 (classes) or 9', check, root)
    for file in (root / 'ann_dir').rglob('*.png'):
        label = np.array(Image.open(file))
        Image.fromarray(np.where(label == 255, 9, label).astype(np.uint8)).save(file)
    check(root)
    assert set(np.unique(FolderLandCover(str(root), pipeline=LOADING)[0]['gt_seg_map'])) == {0, 1, 2, 255}


def test_coloured_labels(root):
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(root / 'ann_dir/train/a.png')
    refused('ann_dir/train/a.png is uint8 with 3 bands; expected one channel of class numbers', check, root)


def test_sizes_differ(root):
    Image.fromarray(np.zeros((6, 9), np.uint8)).save(root / 'ann_dir/train/b.png')
    refused('ann_dir/train/b.png has 9x6 pixels; expected 8x6, as its image b.png has', check, root)


def test_image_without_label(root):
    (root / 'ann_dir/train/b.png').unlink()
    message = f'{root}/img_dir/train/b.png has no label (one of 1 such images); expected {root}/ann_dir/train/b.png'
    refused(message, check, root)
    refused(message, FolderLandCover, str(root))


@pytest.mark.parametrize('missing', ['img_dir/val', 'ann_dir/train', 'ann_dir'])
def test_missing_split(root, missing):
    (root / missing).rename(root / 'elsewhere')
    refused(f'{root / missing}', check, root)
    refused('is missing; expected img_dir/ and ann_dir/, each with train and val', check, root)


def test_empty_split(root):
    (root / 'img_dir/val/c.png').unlink()
    refused('img_dir/val holds no file that ends in .png (img_suffix)', check, root)


@pytest.mark.parametrize('file', ['img_dir/train/a.png', 'ann_dir/train/a.png'])
@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n'])
def test_unreadable_files(root, file, content):
    (root / file).write_bytes(content)
    refused(f'{root / file} cannot be read', check, root)


def test_files_that_end_too_early(root):
    rng = np.random.default_rng(0)
    write_yaml(root, **NAMES, img_suffix='.jpg')
    for split, name in (('train', 'a'), ('train', 'b'), ('val', 'c')):
        Image.fromarray(rng.integers(0, 256, (200, 200, 3), np.uint8)).save(root / 'img_dir' / split / f'{name}.jpg')
        Image.fromarray(rng.integers(0, 3, (200, 200), np.uint8)).save(root / 'ann_dir' / split / f'{name}.png')
    check(root)
    for file in (root / 'img_dir/val/c.jpg', root / 'ann_dir/train/b.png'):
        file.write_bytes(file.read_bytes()[:-2000])
        refused(f'{file} cannot be read', check, root)


def test_split_without_any_label(root):
    Image.fromarray(np.full((6, 8), 255, np.uint8)).save(root / 'ann_dir/val/c.png')
    refused('ann_dir/val: every pixel is 255 (ignore_index)', check, root)


def test_the_first_mistake_is_reported(root):
    for name in ('a', 'b'):
        (root / f'img_dir/train/{name}.png').write_bytes(b'')
    refused('img_dir/train/a.png cannot', check, root)


def test_fingerprint(root, tmp_path, monkeypatch):
    def key():
        return fingerprint(root, read_dataset_yaml(root))

    first = key()
    assert len(first) == 64 and key() == first
    os.utime(root / 'img_dir/train/a.png', (1, 1))
    (root / 'notes.txt').touch()
    write_yaml(root, **NAMES, img_suffix='.png', palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    assert key() == first
    moved = root.rename(tmp_path.with_name('moved'))
    assert fingerprint(moved, read_dataset_yaml(moved)) == first
    moved.rename(root)
    keys = {first}
    write_yaml(root, name='tiny', classes=['land', 'water', 'road'])
    keys.add(key())
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(root / 'ann_dir/val/c.png')
    keys.add(key())
    for kind in ('img_dir', 'ann_dir'):
        (root / kind / 'train/b.png').rename(root / kind / 'train/z.png')
    keys.add(key())
    monkeypatch.setattr(folder_files, 'HASHED_WHOLE', 5)
    keys.add(key())
    assert len(keys) == 5


def test_dataset(root):
    nested = root / 'img_dir/train/more', root / 'ann_dir/train/more'
    for kind in nested:
        kind.mkdir()
        (kind.parent / 'b.png').rename(kind / 'd.png')
    data = DATASETS.build({'type': 'FolderLandCover', 'data_root': str(root), 'pipeline': LOADING})
    assert data.metainfo['classes'] == ('water', 'land', 'road') and data.metainfo['name'] == 'tiny'
    assert len(data.metainfo['palette']) == 3 and len(data) == 2
    assert data[1]['img_path'] == f'{root}/img_dir/train/more/d.png'
    assert data[1]['img'].shape == (6, 8, 3) and data[1]['gt_seg_map'].shape == (6, 8)
    assert len(FolderLandCover(str(root), split='val')) == 1
    assert len(FolderLandCover(str(root), indices=1)) == 1
    refused("split='test'; expected 'train' or 'val'", FolderLandCover, str(root), 'test')


def test_linked_image_folders_in_the_home_folder(root, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp('store') / 'images'
    (root / 'img_dir').rename(elsewhere)
    (root / 'img_dir').symlink_to(elsewhere)
    monkeypatch.setenv('HOME', str(root.parent))
    check('~/' + root.name)
    assert len(fingerprint('~/' + root.name, read_dataset_yaml(root))) == 64
    assert len(FolderLandCover('~/' + root.name)) == 2


@pytest.mark.dubai
def test_real_tiles(dubai):
    spec = read_dataset_yaml(dubai)
    assert spec.classes == ('building', 'land', 'road', 'vegetation', 'water') and spec.img_suffix == '.jpg'
    start = time.perf_counter()
    check_folder(dubai, spec)
    key = fingerprint(dubai, spec)
    assert time.perf_counter() - start < 30 and len(key) == 64
    data = FolderLandCover(str(dubai), split='val', pipeline=LOADING)
    assert len(data) == 188 and len(FolderLandCover(str(dubai))) == 594
    sample = data[0]
    stored = cv2.imread(sample['seg_map_path'], cv2.IMREAD_UNCHANGED)
    assert sample['img'].shape == (256, 256, 3) and np.array_equal(sample['gt_seg_map'], stored)
