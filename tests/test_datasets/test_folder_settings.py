"""Every argument of a folder of tiles: obeyed, or refused by name."""

import inspect

import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from PIL import Image

from mapsage_mmseg.datasets.leaves import leaves
from mapsage_mmseg.datasets.tiles import dataset as folder
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.datasets.tiles.settings import REFUSED, own_loading
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.settings.data_root import apply_data_root
from tests import runs

LOADING = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def root(tmp_path):
    """Four tiles of two scenes to train on, one to validate on; the label's value is the tile's number."""
    for split, names in (('train', ['a_0', 'a_1', 'b_2', 'b_0']), ('val', ['c_1'])):
        for name in names:
            for kind, pixels in (('img_dir', np.full((8, 8, 3), 50)), ('ann_dir', np.full((8, 8), int(name[-1])))):
                file = tmp_path / kind / split / f'{name}.png'
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(file)
    (tmp_path / 'dataset.yaml').write_text("name: x\nclasses: [a, b, c]\nscene: '^([a-z])_'\n")
    return tmp_path


# What each argument does, on the tiles above.
OBEYED = {
    'split': (dict(split='val'), lambda data: len(data) == 1),
    'part': (dict(part='tune', scene='^([a-z])_'), lambda data: 0 < len(data) < 4),
    'max_unreadable': (dict(max_unreadable=0.5), lambda data: data.max_unreadable == 0.5),
    'max_pixels': (dict(max_pixels=64), lambda data: data[0]['img'].shape == (8, 8, 3)),
    'follow_links': (dict(follow_links=True), lambda data: len(data) == 4),
    'classes': (dict(classes=['c', 'a', 'b']), lambda data: data[0]['gt_seg_map'].max() == 1),
    'keep_unlabelled': (dict(keep_unlabelled=True), lambda data: data[0]['gt_seg_map'].max() == 0),
    'unlabelled': (dict(unlabelled=1.0), lambda data: data.epoch_size == 4),
    'pipeline': (dict(pipeline=LOADING[:1]), lambda data: 'gt_seg_map' not in data[0]),
    'indices': (dict(indices=[1]), lambda data: len(data) == 1 and data[0]['img_path'].endswith('a_1.png')),
    'serialize_data': (dict(serialize_data=False), lambda data: len(data) == 4),
    'test_mode': (dict(test_mode=True), lambda data: data.test_mode),
    'lazy_init': (dict(lazy_init=True), lambda data: not data._fully_initialized),
    'max_refetch': (dict(max_refetch=3), lambda data: data.max_refetch == 3),
}
ASKED = dict(
    ann_file='list.txt',
    data_prefix=dict(img_path='a', seg_map_path='b'),
    img_suffix='.jpg',
    seg_map_suffix='.tif',
    ignore_index=7,
    metainfo=dict(classes=['x']),
    reduce_zero_label=True,
    filter_cfg=dict(size=3),
    backend_args=dict(backend='petrel'),
)


def test_the_tables_name_every_argument():
    taken = {*inspect.signature(FolderLandCover).parameters, *inspect.signature(BaseSegDataset).parameters}
    assert taken - {'kwargs', 'data_root', 'bands', 'scene'} == {*OBEYED, *ASKED} and set(REFUSED) == set(ASKED)


@pytest.mark.parametrize('name', OBEYED)
def test_obeyed(root, name):
    settings, holds = OBEYED[name]
    assert holds(FolderLandCover(str(root), **{'pipeline': LOADING, **settings}))


@pytest.mark.parametrize('name', ASKED)
def test_refused_by_name(root, name):
    with pytest.raises(InputError, match=rf'dataset\.{name}=.*FolderLandCover takes no {name}; \w') as caught:
        FolderLandCover(str(root), pipeline=LOADING, **{name: ASKED[name]})
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('name', 'value'), [('reduce_zero_label', False), ('ignore_index', 255), ('ann_file', '')])
def test_what_asks_for_nothing_is_no_mistake(root, name, value):
    assert len(FolderLandCover(str(root), pipeline=LOADING, **{name: value})) == 4


def test_a_step_that_is_replaced_loses_no_setting(root):
    with pytest.raises(InputError, match=r'dataset\.pipeline\[0\]\.to_float32=True'):
        FolderLandCover(str(root), pipeline=[dict(type='LoadImageFromFile', to_float32=True)])
    FolderLandCover(str(root), pipeline=[dict(type='LoadImageFromFile', to_float32=False, imdecode_backend='cv2')])


def test_steps_given_as_classes_or_within_others_are_replaced_too(root):
    from mmcv.transforms import LoadImageFromFile

    own = own_loading([dict(type=LoadImageFromFile), dict(type='RandomApply', transforms=LOADING[1:])], None, 99)
    assert own[0]['type'] == 'LoadRasterImage' and own[1]['transforms'][0]['type'] == 'LoadRasterLabel'
    with pytest.raises(InputError, match=r"pipeline\[0\]\.color_type='grayscale'"):
        own_loading([dict(type='LoadImageFromFile', color_type='grayscale')], None, 99)


def test_labels_are_numbered_as_the_model_numbers_them(root):
    data = FolderLandCover(str(root), pipeline=LOADING, classes=['b', 'c', 'a', 'd'])
    found = {data[index]['img_path'][-5]: int(data[index]['gt_seg_map'][0, 0]) for index in range(4)}
    assert found == {'0': 2, '1': 0, '2': 1}
    assert data.metainfo['classes'] == ('b', 'c', 'a', 'd') and len(data.metainfo['palette']) == 4
    with pytest.raises(InputError, match='its classes are a, b, c; the model knows a, b, not c'):
        FolderLandCover(str(root), classes=['a', 'b'])


def test_endings_in_capitals_are_the_same_ending(root):
    for kind in ('img_dir', 'ann_dir'):
        (root / kind / 'train/a_0.png').rename(root / kind / 'train/a_0.PNG')
    assert len(FolderLandCover(str(root), pipeline=LOADING)) == 4
    check_folder(root, read_dataset_yaml(root))


def test_images_that_end_otherwise_are_said_to_be_skipped(root, monkeypatch):
    (root / 'dataset.yaml').write_text('name: x\nclasses: [a, b, c]\nimg_suffix: .png\n')
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / 'img_dir/train/z.jpg')
    told = []
    monkeypatch.setattr(folder, 'print_log', lambda text, **how: told.append(text))
    check_folder(root, read_dataset_yaml(root))
    assert '1 images of train do not end in .png (img_suffix) and are skipped, such as z.jpg' in told[0]


def test_a_wrapper_stays_when_the_data_are_named(root, tmp_path):
    cfg = runs.config(tmp_path)
    inner = dict(type='FolderLandCover', data_root='nowhere', split='train', pipeline=LOADING)
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=3, dataset=inner)
    apply_data_root(cfg, str(root))
    assert cfg.train_dataloader.dataset.times == 3
    (leaf,) = leaves(cfg.train_dataloader.dataset)
    assert leaf.data_root == str(root) and leaf.pipeline == LOADING
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[inner, dict(inner)])
    with pytest.raises(InputError, match='joins 2 data sets; name their folders in the config'):
        apply_data_root(cfg, str(root))
