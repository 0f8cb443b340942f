"""Scaling relative to an image's own size."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

RATIO = (0.75, 1.5)


def scaled(shape, seed=0, **transform):
    rng = np.random.default_rng(0)
    results = dict(
        img=rng.integers(0, 256, (*shape, 3), np.uint8),
        gt_seg_map=rng.integers(0, 5, shape, np.uint8),
        seg_fields=['gt_seg_map'],
    )
    np.random.seed(seed)
    return TRANSFORMS.build(transform)(results)


@pytest.mark.parametrize('seed', range(3))
def test_over_images_of_one_size_it_is_what_mmcv_does(seed):
    ours = scaled((256, 256), seed, type='RandomRescale', ratio_range=RATIO)
    theirs = scaled((256, 256), seed, type='RandomResize', scale=(256, 256), ratio_range=RATIO, keep_ratio=True)
    assert ours['img'].shape == theirs['img'].shape != (256, 256, 3)
    assert np.array_equal(ours['img'], theirs['img']) and np.array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])


@pytest.mark.parametrize('shape', [(512, 512), (1024, 1024), (300, 700), (90, 30)])
def test_the_scale_is_that_of_the_image_whatever_its_size(shape):
    same = scaled(shape, type='RandomRescale', ratio_range=(1.0, 1.0))
    assert same['img'].shape[:2] == same['gt_seg_map'].shape == shape
    half = scaled(shape, type='RandomRescale', ratio_range=(0.5, 0.5))
    assert half['img'].shape[:2] == pytest.approx([side / 2 for side in shape], abs=1)


def test_a_pixel_stays_one():
    assert scaled((1, 1), type='RandomRescale', ratio_range=(0.75, 0.75))['img'].shape == (1, 1, 3)
