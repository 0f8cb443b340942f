"""SyntheticLandCover: the same scenes everywhere, balanced enough, and not told apart by colour."""

import hashlib
import time

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mapsage_mmseg.datasets.synthetic import dataset as synthetic
from mapsage_mmseg.datasets.synthetic.dataset import SyntheticLandCover
from mapsage_mmseg.datasets.synthetic.drawing import draw_scene
from mapsage_mmseg.errors import InputError

CLASSES = 7


@pytest.fixture(scope='module')
def scenes() -> tuple[np.ndarray, np.ndarray]:
    """Images (100, 128, 128, 3) and labels of training scenes."""
    drawn = [draw_scene(0, 'train', index) for index in range(100)]
    return np.stack([image for image, _ in drawn]), np.stack([label for _, label in drawn])


@pytest.mark.parametrize(
    ('key', 'digest'),
    [
        ((0, 'train', 0, 128), '60d2d82b5682528e'),
        ((0, 'val', 0, 128), 'bc0bbf854df6d224'),
        ((7, 'train', 12, 64), 'e694d27ecf2af4ad'),
        ((0, 'train', 3, 200), '89dfd244dbafe01c'),
    ],
)
def test_scenes_are_the_same_on_every_machine(key, digest):
    # A new digest means new data: results and teachers made before it do not compare with those after.
    image, label = draw_scene(*key)
    assert hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()[:16] == digest


def test_scenes_differ_by_seed_split_and_index():
    keys = [(0, 'train', 0), (1, 'train', 0), (0, 'val', 0), (0, 'train', 1), (0, 'val', 1), (1, 'val', 0)]
    assert len({draw_scene(*key)[0].tobytes() for key in keys}) == len(keys)


@pytest.mark.parametrize('size', [32, 45, 128, 256])
def test_types_and_shapes(size):
    image, label = draw_scene(0, 'train', 5, size)
    assert image.shape == (size, size, 3) and label.shape == (size, size)
    assert image.dtype == label.dtype == np.uint8 and image.flags.c_contiguous
    assert set(np.unique(label)) <= {*range(CLASSES), 255}


def test_every_class_has_its_share(scenes):
    shares = np.bincount(scenes[1].ravel(), minlength=256) / scenes[1].size
    assert shares[:CLASSES].min() > 0.03 and shares[:CLASSES].max() < 0.40
    assert 0 < shares[255] < 0.02 and shares[CLASSES:255].sum() == 0
    some_unlabelled = (scenes[1] == 255).any(axis=(1, 2)).mean()
    assert 0.02 < some_unlabelled < 0.30


def test_images_are_exposed_well(scenes):
    assert 70 < scenes[0].mean() < 150 and ((scenes[0] == 0) | (scenes[0] == 255)).mean() < 0.01


def test_colour_alone_does_not_tell_the_classes_apart(scenes):
    """A Bayes classifier on a histogram of 16 x 16 x 16 colours; a small network reaches twice its score."""
    val = [draw_scene(0, 'val', index) for index in range(40)]
    seen, asked = ((images // 16).astype(int) @ [256, 16, 1] for images in (scenes[0], np.stack([i for i, _ in val])))
    labels, truth = scenes[1], np.stack([label for _, label in val])
    known, counted = labels < CLASSES, truth < CLASSES
    histogram = np.bincount(seen[known] * CLASSES + labels[known], minlength=16**3 * CLASSES).reshape(-1, CLASSES)
    guess = (histogram + 1e-3 * histogram.sum(0) / histogram.sum()).argmax(1)[asked][counted]
    table = np.bincount(truth[counted] * CLASSES + guess, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    iou = table.diagonal() / (table.sum(0) + table.sum(1) - table.diagonal())
    assert 0.15 < iou.mean() < 0.40 and iou.max() < 0.65


def test_drawing_is_quick():
    draw_scene(0, 'train', 0)
    best = []
    for index in range(20):
        start = time.perf_counter()
        draw_scene(0, 'train', index)
        best.append(time.perf_counter() - start)
    assert min(best) < 0.05  # It takes 7 ms where nothing else runs.


def test_sample_is_what_loading_a_file_gives():
    data = SyntheticLandCover(size=64, length=20, seed=3, split='val')
    sample = data[12]
    image, label = draw_scene(3, 'val', 12, 64)
    assert len(data) == 20 and sample['img_path'] == 'synthetic/val/000012'
    assert np.array_equal(sample['img'], image) and np.array_equal(sample['gt_seg_map'], label)
    assert sample['img_shape'] == sample['ori_shape'] == (64, 64)
    assert (sample['seg_fields'], sample['reduce_zero_label'], sample['sample_idx']) == (['gt_seg_map'], False, 12)


def test_metainfo():
    data = DATASETS.build({'type': 'SyntheticLandCover', 'length': 1})
    assert data.metainfo['classes'][6] == 'agriculture' and data.metainfo['name'] == 'synthetic'
    assert len(data.metainfo['palette']) == len(data.metainfo['classes']) == CLASSES
    assert data.ignore_index == 255


def test_what_a_transform_spoils_is_not_kept():
    data = SyntheticLandCover(size=64, length=1)
    before = data[0]['img'].copy()
    sample = data[0]
    sample['img'][:], sample['gt_seg_map'][:], sample['seg_fields'][:] = 0, 9, []
    again = data[0]
    assert np.array_equal(again['img'], before) and again['gt_seg_map'].max() != 9
    assert again['seg_fields'] == ['gt_seg_map']


def test_scenes_are_drawn_once_within_bounds(monkeypatch):
    calls = []
    monkeypatch.setattr(synthetic, 'draw_scene', lambda *key: calls.append(key) or draw_scene(*key))
    monkeypatch.setattr(synthetic, 'CACHE_BYTES', 2 * 64 * 64 * 4)
    data = SyntheticLandCover(size=64, length=3)
    for _ in range(2):
        for index in range(3):
            assert np.array_equal(data[index]['img'], draw_scene(0, 'train', index, 64)[0])
    assert [key[2] for key in calls] == [0, 1, 2, 2]


def test_a_test_pipeline_for_files_serves_here_too():
    data = SyntheticLandCover(
        size=64,
        length=1,
        split='val',
        test_mode=True,
        pipeline=[
            {'type': 'LoadImageFromFile'},
            {'type': 'Resize', 'scale': (96, 96), 'keep_ratio': True},
            {'type': 'LoadAnnotations'},
            {'type': 'PackSegInputs'},
        ],
    )
    sample = data[0]
    assert sample['inputs'].shape == (3, 96, 96)
    # Behind Resize the label keeps its size, and so do the predictions that it is compared with.
    assert sample['data_samples'].gt_sem_seg.shape == sample['data_samples'].ori_shape == (64, 64)


def test_pipeline_without_labels_gives_none():
    pipeline = [{'type': 'mmcv.LoadImageFromFile'}, {'type': 'PackSegInputs'}]
    data = SyntheticLandCover(size=64, length=1, pipeline=pipeline)
    assert 'gt_sem_seg' not in data[0]['data_samples']


def test_fewer_classes():
    names = ('water', 'road')
    data = SyntheticLandCover(size=64, length=4, metainfo={'classes': names})
    for index in range(4):
        label = draw_scene(0, 'train', index, 64)[1]
        expected = np.where(label == 3, 0, np.where(label == 2, 1, 255))
        assert np.array_equal(data[index]['gt_seg_map'], expected)
    assert data.metainfo['palette'] == [[0, 0, 255], [255, 255, 0]]


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ({'size': 16}, 'size=16; expected an integer of 32 or more'),
        ({'size': 64.0}, 'size=64.0'),
        ({'length': 0}, 'length=0; expected an integer of 1 or more'),
        ({'seed': -1}, 'seed=-1'),
        ({'split': 'test'}, "split='test'; expected 'train' or 'val'"),
    ],
)
def test_refusals(argument, message):
    with pytest.raises(InputError, match=message):
        SyntheticLandCover(**argument)
