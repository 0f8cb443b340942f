"""SeedDraws: every augmentation draw is a function of (seed, epoch, index), whoever loads the image."""

import random

import mmcv
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.datasets import LoveDADataset
from torch.utils.data import DataLoader

from mapsage_mmseg.datasets.sampler import DrawIndex, SeededSampler
from mapsage_mmseg.datasets.synthetic.dataset import SyntheticLandCover
from mapsage_mmseg.datasets.synthetic.drawing import draw_scene
from mapsage_mmseg.datasets.transforms.seeding import SeedDraws, StableDraws
from mapsage_mmseg.errors import InputError

AUGMENTATION = [
    {'type': 'SeedDraws'},
    {'type': 'RandomResize', 'scale': (64, 64), 'ratio_range': (0.75, 1.5), 'keep_ratio': True},
    {'type': 'RandomCrop', 'crop_size': (48, 48), 'cat_max_ratio': 0.75},
    {'type': 'RandomFlip', 'prob': 0.5},
    {'type': 'PhotoMetricDistortion'},
    {'type': 'PackSegInputs'},
]


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def draws_for(index: DrawIndex) -> tuple[float, float, float]:
    SeedDraws()({'sample_idx': index})
    return draws()


def test_the_same_key_gives_the_same_draws():
    first = draws_for(DrawIndex(7, seed=1, epoch=2))
    draws()
    assert draws_for(DrawIndex(7, seed=1, epoch=2)) == first


@pytest.mark.parametrize(
    'other', [DrawIndex(8, 1, 2), DrawIndex(7, 0, 2), DrawIndex(7, 1, 3), DrawIndex(7, 2, 1), DrawIndex(2, 1, 7)]
)
def test_another_key_gives_other_draws_in_every_generator(other):
    pairs = zip(draws_for(DrawIndex(7, seed=1, epoch=2)), draws_for(other), strict=True)
    assert all(one != two for one, two in pairs)


def test_repeats_of_one_image_in_a_wrapped_dataset_differ():
    assert draws_for(DrawIndex(3, 0, 0) % 3) != draws_for(DrawIndex(0, 0, 0))


@pytest.mark.parametrize('seed', [0, 2**31, 2**32 - 1, 2**40])
def test_any_seed_serves(seed):
    assert len(set(draws_for(DrawIndex(0, seed=seed, epoch=0)))) == 3


@pytest.mark.parametrize('index', [7, np.int64(7), None])
def test_a_plain_index_is_refused(index):
    with pytest.raises(InputError, match=r"use sampler=dict\(type='SeededSampler'\)"):
        SeedDraws()({'sample_idx': index})


def test_nothing_else_of_the_sample_changes():
    results = {'sample_idx': DrawIndex(0, 0, 0), 'img': np.zeros((2, 2, 3), np.uint8)}
    assert SeedDraws()(results) is results and set(results) == {'sample_idx', 'img'}


def load(workers: int, epochs: tuple[int, ...], skip: int = 0) -> list[torch.Tensor]:
    """The batches of some epochs, one after the other, through real workers."""
    data = SyntheticLandCover(size=64, length=6, pipeline=AUGMENTATION)
    order = SeededSampler(data, seed=11)
    loader = DataLoader(
        data,
        batch_size=2,
        sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=pseudo_collate,
    )
    batches = []
    for epoch in epochs:
        order.set_epoch(epoch)
        order.skip(skip)
        for batch in loader:
            labels = [sample.gt_sem_seg.data for sample in batch['data_samples']]
            batches.append(torch.cat([torch.stack(batch['inputs']), torch.stack(labels)], dim=1))
    return batches


def test_batches_do_not_depend_on_the_workers():
    alone, shared = load(0, (0, 1)), load(2, (0, 1))
    assert len(alone) == 6 and all(map(torch.equal, alone, shared))


def test_a_resumed_epoch_continues_with_the_same_batches():
    whole, resumed = load(2, (0, 1)), load(2, (1,), skip=2)
    assert len(resumed) == 2 and all(map(torch.equal, whole[4:], resumed))


def test_two_epochs_of_one_image_differ_in_the_same_worker():
    data = SyntheticLandCover(size=64, length=1, pipeline=AUGMENTATION)
    order = SeededSampler(data, seed=11)
    loader = DataLoader(data, sampler=order, num_workers=1, persistent_workers=True, collate_fn=pseudo_collate)
    images = []
    for epoch in range(4):
        order.set_epoch(epoch)
        images += [image for batch in loader for image in batch['inputs']]
    assert not any(torch.equal(images[i], images[j]) for i in range(4) for j in range(i))


@pytest.mark.parametrize('serialize', [True, False])
def test_works_with_the_datasets_of_mmseg(tmp_path, serialize):
    for folder, pixels in zip(('img', 'ann'), draw_scene(0, 'train', 0, 64), strict=True):
        mmcv.imwrite(pixels, str(tmp_path / folder / 'a.png'))
    loading = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]
    data = LoveDADataset(
        data_root=str(tmp_path),
        data_prefix={'img_path': 'img', 'seg_map_path': 'ann'},
        pipeline=loading + AUGMENTATION,
        serialize_data=serialize,
    )
    first, again, other = (data[DrawIndex(0, 0, epoch)]['inputs'] for epoch in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_stable_draws_keep_their_values():
    # Values as drawn when this was written: every scene follows from them.
    draw = StableDraws(0, 1, 2)
    assert [draw.one(0, 99) for _ in range(4)] == [5, 56, 58, 86]
    assert draw.many(-5, 5, 2, 3).tolist() == [[2, 5, -1], [-3, 3, 1]]
    assert draw.grain(4).tolist() == [16, -6, -297, -96]


def test_stable_draws_are_evenly_spread():
    draw = StableDraws(3)
    counts = np.bincount(draw.many(0, 9, 100_000), minlength=10)
    assert len(counts) == 10 and abs(counts - 10_000).max() < 500
    grain = draw.grain(300, 333)
    assert grain.shape == (300, 333) and abs(grain.mean()) < 3 and abs(grain.std() - 256) < 5
