"""A replayed pipeline: where each pixel came from, transform by transform and together."""

import numpy as np
import pytest
from mmcv.transforms import BaseTransform, Compose
from mmseg.registry import TRANSFORMS

from mapsage_mmseg.datasets.synthetic.dataset import SyntheticLandCover
from mapsage_mmseg.datasets.transforms.replayed_pipeline import Replay, ReplayedPipeline
from mapsage_mmseg.errors import InputError

HEIGHT, WIDTH = 60, 84
FLIPS = [dict(type='RandomFlip', prob=1.0, direction=way) for way in ('horizontal', 'vertical')]
CROP = dict(type='RandomCrop', crop_size=(40, 44), cat_max_ratio=0.9)
RESIZE = dict(type='RandomResize', scale=(WIDTH, HEIGHT), ratio_range=(0.75, 1.5), keep_ratio=True)
STRETCH = dict(type='RandomResize', scale=(70, 90), ratio_range=(0.8, 1.2))
ROTATE = dict(type='RandomRotate', prob=1.0, degree=(20.0, 70.0))
TURN = dict(type='RandomQuarterTurn')
PIPELINES = dict(
    nothing=[],
    horizontal=FLIPS[:1],
    both=FLIPS,
    diagonal=[dict(type='RandomFlip', prob=1.0, direction='diagonal')],
    resize=[RESIZE],
    stretch=[STRETCH],
    choice=[dict(type='RandomChoiceResize', scales=[(50, 100), (120, 40)])],
    crop=[CROP],
    rotate=[ROTATE],
    bound=[dict(ROTATE, auto_bound=True)],
    centre=[dict(ROTATE, center=(10.0, 50.0))],
    pad=[CROP, dict(type='Pad', size=(64, 64)), FLIPS[0]],
    small=[dict(type='RandomCrop', crop_size=(200, 50))],
    rescale=[dict(type='RandomRescale', ratio_range=(0.75, 1.5))],
    turn=[TURN],
    turns=[CROP, TURN, TURN, FLIPS[0]],
    folder=[RESIZE, CROP, *FLIPS],
    everything=[
        STRETCH,
        TURN,
        ROTATE,
        CROP,
        *FLIPS,
        dict(type='Pad', size=(48, 48)),
        FLIPS[1],
        dict(ROTATE, degree=30),
    ],
)


class Origins:
    """In the place of a store: keeps what it was asked for."""

    def sample(self, index, image, size, origin, shape):
        self.asked = dict(index=index, image=image, size=size, origin=origin, shape=shape)
        return {}


def ramp():
    """An image that holds where its pixels lie, (x, y, 1), as a dataset hands it to its pipeline."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    label = np.random.RandomState(0).randint(0, 7, (HEIGHT, WIDTH)).astype(np.uint8)
    image = np.stack([x, y, np.ones_like(x)], axis=-1)
    shape = dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), sample_idx=3, img_path='a/tile.png')
    return dict(img=image, gt_seg_map=label, seg_fields=['gt_seg_map'], **shape)


def replayed(steps):
    transforms = Compose([*steps, dict(type='PackSegInputs')]).transforms
    origins = Origins()
    return ReplayedPipeline(transforms, origins), origins


@pytest.mark.parametrize('name', PIPELINES)
@pytest.mark.parametrize('seed', range(3))
def test_the_origin_is_where_the_transformed_ramp_says_each_pixel_came_from(name, seed):
    pipeline, origins = replayed(PIPELINES[name])
    np.random.seed(seed)
    packed = pipeline(ramp())
    found, label = packed['inputs'].numpy(), packed['data_samples'].gt_sem_seg.data[0].numpy()
    asked = origins.asked
    assert (asked['index'], asked['image'], asked['size']) == (3, 'a/tile.png', (HEIGHT, WIDTH))
    assert asked['shape'] == label.shape == found.shape[1:]
    y, x = np.mgrid[: label.shape[0], : label.shape[1]]
    from_x, from_y, _ = asked['origin'] @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    inside = (from_x > 1.5) & (from_x < WIDTH - 2.5) & (from_y > 1.5) & (from_y < HEIGHT - 2.5)
    # padding, in the image, blends into pixels along an edge that was cut before a rotation: the third channel tells
    pure = inside & (found[2].ravel() > 1 - 1e-4)
    assert pure.sum() > 300
    # OpenCV rotates in steps of 1/32 pixel
    limit = 0.04 if any(step['type'] == 'RandomRotate' for step in PIPELINES[name]) else 1e-3
    assert np.abs(found[0].ravel() - from_x)[pure].max() < limit
    assert np.abs(found[1].ravel() - from_y)[pure].max() < limit
    # labels are taken from the nearest pixel, by each transform anew
    outside = (from_x < -3) | (from_x > WIDTH + 2) | (from_y < -3) | (from_y > HEIGHT + 2)
    assert (label.ravel()[outside] == 255).all()


def test_what_is_drawn_is_what_an_ordinary_pipeline_draws():
    steps = [*PIPELINES['everything'], dict(type='PackSegInputs')]
    ordinary, (pipeline, _) = Compose(steps), replayed(PIPELINES['everything'])
    for seed in range(4):
        packed = []
        for run in (ordinary, pipeline):
            np.random.seed(seed)
            packed.append(run(ramp()))
        assert (packed[0]['inputs'] == packed[1]['inputs']).all()
        assert (packed[0]['data_samples'].gt_sem_seg.data == packed[1]['data_samples'].gt_sem_seg.data).all()


def test_photometric_transforms_leave_the_origin_alone():
    pipeline, origins = replayed([dict(type='PhotoMetricDistortion'), dict(type='CLAHE')])
    sample = ramp()
    sample['img'] = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pipeline(sample)
    assert (origins.asked['origin'] == np.eye(3)).all()


def test_the_whole_image_is_loaded_resized_and_normalised_but_not_augmented():
    steps = [
        dict(type='Resize', scale=(42, 30)),
        dict(type='PhotoMetricDistortion'),
        CROP,
        *FLIPS,
        dict(type='Normalize', mean=[1.0, 2.0, 0.0], std=[2.0, 2.0, 1.0], to_rgb=False),
        dict(type='PackSegInputs'),
    ]
    replay = Replay(Compose(steps).transforms)
    assert replay.whole == [0, 5, 6]
    inputs = replay.whole_image(ramp())['inputs'].numpy()
    assert inputs.shape == (3, 30, 42)
    assert inputs[0, 5, 10] == pytest.approx((2 * 10 + 0.5 - 1) / 2)  # behind a halving, pixel 10 is between 20 and 21
    pipeline, origins = replayed([steps[0], *FLIPS])
    pipeline(ramp())
    assert origins.asked['size'] == (30, 42)  # what the maps are of


@TRANSFORMS.register_module()
class OwnTransform(BaseTransform):
    def transform(self, results):
        return results


@TRANSFORMS.register_module()
class OwnColours(OwnTransform):
    on_whole_image = False


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        (dict(type='OwnTransform'), 'OwnTransform in the training pipeline cannot be replayed.*on_whole_image'),
        (dict(type='RandomRotFlip'), 'RandomRotFlip'),
        (dict(type='RandomMosaic', prob=1.0), 'RandomMosaic'),
        (dict(type='RandomApply', transforms=[dict(type='PhotoMetricDistortion')]), 'RandomApply'),
        (dict(ROTATE, seg_pad_val=0), 'RandomRotate.*labels what lies outside the image 0'),
        (dict(type='Pad', size=(90, 90), padding_mode='reflect'), "Pad.*padding_mode='reflect'"),
        (dict(FLIPS[0], swap_seg_labels=[(1, 2)]), 'RandomFlip.*swap_seg_labels'),
    ],
)
def test_what_cannot_be_replayed_is_refused_by_name(step, message):
    with pytest.raises(InputError, match=message):
        replayed([step])


def test_a_transform_of_ones_own_that_moves_nothing_says_so():
    pipeline, _ = replayed([dict(type='OwnColours')])
    assert pipeline(ramp()) is not None


def test_a_pipeline_for_files_is_replayed_over_drawn_scenes_too():
    steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), FLIPS[0], dict(type='PackSegInputs')]
    dataset = SyntheticLandCover(size=32, length=2, pipeline=steps)
    plain = dataset[1]['inputs']
    replay = Replay(dataset.pipeline.transforms)
    assert (replay.whole_image(dataset.get_data_info(1))['inputs'] == plain.flip(-1)).all()
    dataset.pipeline = ReplayedPipeline(dataset.pipeline.transforms, Origins())
    assert (dataset[1]['inputs'] == plain).all()
    assert dataset.pipeline.store.asked['image'] == 'synthetic/train/000001'
