"""Quarter turns of image and label."""

import numpy as np
from mmseg.registry import TRANSFORMS


def turned(seed, shape=(2, 3)):
    label = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    results = dict(img=np.stack([label] * 3, -1), gt_seg_map=label, seg_fields=['gt_seg_map'], img_shape=shape)
    np.random.seed(seed)
    return TRANSFORMS.build(dict(type='RandomQuarterTurn'))(results)


def test_image_and_label_turn_together_and_every_turn_is_drawn():
    drawn = {}
    for seed in range(40):
        found = turned(seed)
        assert (found['img'][..., 0] == found['gt_seg_map']).all()
        assert found['img_shape'] == found['gt_seg_map'].shape
        drawn[found['quarter_turns']] = found['gt_seg_map'].tolist()
    assert drawn == {
        0: [[0, 1, 2], [3, 4, 5]],
        1: [[2, 5], [1, 4], [0, 3]],  # anticlockwise: the right column comes to the top
        2: [[5, 4, 3], [2, 1, 0]],
        3: [[3, 0], [4, 1], [5, 2]],
    }


def test_every_turn_is_as_likely():
    counts = np.bincount([turned(seed)['quarter_turns'] for seed in range(400)], minlength=4)
    assert counts.min() > 70
