"""Tiles without a label: which data set has them, and what they change in a run's keys."""

import math
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from mapsage_mmseg.datasets.sampler import DrawIndex, SeededSampler
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.datasets.tiles.files import fingerprint, has_unlabelled
from mapsage_mmseg.datasets.transforms.replayed_pipeline import Replay
from mapsage_mmseg.engine.runs.key import run_key
from mapsage_mmseg.engine.teachers.keys import data_key, unlabelled_key
from mapsage_mmseg.errors import InputError
from tests.test_datasets.test_folder import refused, root  # noqa: F401

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='SeedDraws'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]


@pytest.fixture
def both(root):  # noqa: F811
    """The folder of two training tiles, with two more that nobody labelled."""
    (root / 'img_dir/unlabelled').mkdir()
    for number, name in enumerate(('z', 'y')):
        Image.fromarray(np.full((6, 10, 3), 90 + number, np.uint8)).save(root / f'img_dir/unlabelled/{name}.png')
    return root


def dataset(folder, **settings):
    settings = dict(split='train', pipeline=PIPELINE) | settings
    return DATASETS.build(dict(type='FolderLandCover', data_root=str(folder), **settings))


def test_they_come_behind_the_labelled_ones_and_every_pixel_is_ignored(both):
    data = dataset(both, unlabelled=1)
    samples = [data.prepare_data(DrawIndex(index, index, 0, 0)) for index in range(len(data))]
    names = [sample['data_samples'].img_path.rsplit('/', 2)[1:] for sample in samples]
    assert names == [['train', 'a.png'], ['train', 'b.png'], ['unlabelled', 'y.png'], ['unlabelled', 'z.png']]
    labels = [sample['data_samples'].gt_sem_seg.data for sample in samples]
    assert [tuple(label.shape) for label in labels] == [(1, 6, 8)] * 2 + [(1, 6, 10)] * 2
    assert all((label == 255).all() for label in labels[2:]) and all((label < 3).any() for label in labels[:2])


def test_they_are_left_out_where_nobody_asks_for_them(both):
    assert len(dataset(both)) == 2 and len(dataset(both, split='val')) == 1
    assert len(dataset(both, unlabelled=1, part='tune')) == 1
    assert len(dataset(both, unlabelled=1, part='fit')) == 3
    refused("unlabelled=1 with split='val'", lambda: dataset(both, unlabelled=1, split='val'))
    for wrong in (-1, math.nan, math.inf, 'all'):
        refused(f'unlabelled={wrong!r}; expected a number from 0', lambda wrong=wrong: dataset(both, unlabelled=wrong))


@pytest.mark.parametrize(('share', 'drawn'), [(0, 0), (0.5, 1), (1, 2), (2.9, 5), (4, 8), (100, 9)])
def test_an_epoch_has_so_many_of_them_for_each_labelled_one(both, share, drawn):
    """Nine there are, for two with a label; every epoch draws its own."""
    for number in range(7):
        shutil.copy(both / 'img_dir/unlabelled/y.png', both / f'img_dir/unlabelled/y{number}.png')
    data = dataset(both, unlabelled=share)
    order = SeededSampler(data, seed=3)
    assert len(order) == data.epoch_size == 2 + drawn
    seen = set()
    for epoch in range(60):
        order.set_epoch(epoch)
        indices = list(map(int, order))
        assert len(indices) == len(set(indices)) == 2 + drawn and {0, 1} <= set(indices)
        seen |= set(indices)
    assert seen == set(range(len(data)))  # none is left out for good
    stream = SeededSampler(data, seed=3, infinite=True)
    stream.skip(58 * (2 + drawn))
    assert list(islice(stream, 2 * (2 + drawn)))[2 + drawn :] == indices


def test_of_part_of_the_images_the_labelled_ones_count(both):
    assert dataset(both, unlabelled=1, indices=[1, 2, 3]).epoch_size == 2
    assert dataset(both, indices=[1]).epoch_size == 1


def test_part_to_fit_has_none_of_a_scene_that_is_tuned_on(both):
    for name in ('a_2', 'b_2', 'c_1'):
        shutil.copy(both / 'img_dir/unlabelled/y.png', both / f'img_dir/unlabelled/{name}.png')
    (both / 'img_dir/unlabelled/more').mkdir()
    shutil.copy(both / 'img_dir/unlabelled/y.png', both / 'img_dir/unlabelled/more/z.png')  # another of this name
    data = dataset(both, unlabelled=9, part='fit', scene='^([a-c])')  # b is tuned on
    names = [Path(data.get_data_info(index)['img_path']).stem for index in range(len(data))]
    assert names == ['a', 'a_2', 'c_1', 'z', 'y', 'z']


def test_a_folder_below_home_is_found(both, monkeypatch):
    monkeypatch.setenv('HOME', str(both.parent))
    assert has_unlabelled(f'~/{both.name}') and not has_unlabelled('~')


def test_without_the_folder_nothing_is_added(root):  # noqa: F811
    assert len(dataset(root, unlabelled=1)) == 2


def test_another_value_for_ignored_pixels_does_not_matter(both):
    text = (both / 'dataset.yaml').read_text()
    for label in (both / 'ann_dir').rglob('*.png'):
        values = np.array(Image.open(label))
        Image.fromarray(np.where(values == 255, 9, values).astype(np.uint8)).save(label)
    (both / 'dataset.yaml').write_text(f'{text}ignore_index: 9\n')
    sample = dataset(both, unlabelled=1).prepare_data(DrawIndex(3, 3, 0, 0))
    assert (sample['data_samples'].gt_sem_seg.data == 255).all()


def test_a_folder_without_an_image_and_a_damaged_image_are_named(both):
    def check():
        check_folder(both, read_dataset_yaml(both), unlabelled=True)

    check()
    (both / 'img_dir/unlabelled/y.png').write_bytes(b'no image')
    refused('img_dir/unlabelled/y.png cannot be read', check)
    for file in (both / 'img_dir/unlabelled').iterdir():
        file.unlink()
    refused('img_dir/unlabelled holds no file that ends in .png', check)
    check_folder(both, read_dataset_yaml(both))  # what nobody trains on stops nobody


def test_a_link_out_of_the_folder_is_refused(both, tmp_path_factory):
    other = tmp_path_factory.mktemp('elsewhere') / 'x.png'
    shutil.copy(both / 'img_dir/unlabelled/y.png', other)
    (both / 'img_dir/unlabelled/x.png').symlink_to(other)
    refused('x.png', lambda: check_folder(both, read_dataset_yaml(both), unlabelled=True))
    refused('x.png', lambda: dataset(both, unlabelled=1).full_init())
    assert len(dataset(both)) == 2


def test_one_that_becomes_unreadable_is_replaced(both):
    data = dataset(both, unlabelled=1)
    (both / 'img_dir/unlabelled/z.png').write_bytes(b'no image')
    sample = data.prepare_data(DrawIndex(3, 3, 0, 0))
    assert sample['data_samples'].img_path.endswith('y.png')
    assert data.skipped_images() == ['img_dir/unlabelled/z.png']


def test_a_pipeline_with_them_can_be_replayed(both):
    data = dataset(both, unlabelled=1)
    data.full_init()
    whole = Replay(data.pipeline.transforms).whole_image(data.get_data_info(3))
    assert tuple(whole['inputs'].shape) == (3, 6, 10)


def config(folder, **settings):
    train = dict(type='FolderLandCover', data_root=str(folder), split='train', **settings)
    val = dict(type='FolderLandCover', data_root=str(folder), split='val')
    return Config(
        dict(
            model=dict(type='EncoderDecoder'),
            train_dataloader=dict(batch_size=2, dataset=train),
            val_dataloader=dict(batch_size=1, dataset=val),
        )
    )


def test_arms_with_and_without_them_have_the_same_data_and_other_keys(both):
    without, along = config(both), config(both, unlabelled=1)
    key, data = run_key(along), data_key(along)
    assert data == data_key(without) and key != run_key(without)
    content = unlabelled_key(along)
    assert content is not None and unlabelled_key(without) is None
    before = fingerprint(both, read_dataset_yaml(both))
    Image.fromarray(np.full((6, 10, 3), 5, np.uint8)).save(both / 'img_dir/unlabelled/z.png')
    assert run_key(along) != key and data_key(along) == data and unlabelled_key(along) != content
    assert fingerprint(both, read_dataset_yaml(both)) == before


def test_labels_of_other_tiles_are_still_wanted(both):
    (both / 'ann_dir/train/a.png').unlink()
    with pytest.raises(InputError, match=r'a\.png has no label'):
        FolderLandCover(str(both), unlabelled=1, pipeline=[]).full_init()
