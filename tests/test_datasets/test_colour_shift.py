"""Colour shifts: values worked out by hand, ranges, and what they leave alone."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from mapsage_mmseg.errors import InputError

NOTHING = dict(prob=1.0, gain=0.0, shift=0.0, contrast=0.0, saturation=(1.0, 1.0))


def shifted(pixels, seed=0, **settings):
    np.random.seed(seed)
    transform = TRANSFORMS.build(dict(type='RandomColourShift', **settings))
    return transform(dict(img=np.array(pixels, np.uint8)))['img']


def test_values_by_hand(monkeypatch):
    """Gains of 1.2, 1 and 0.5 and an offset of 10: (130, 110, 60) and (250, 210, 110); mean 145. At a contrast of 0.5
    (137.5, 127.5, 102.5) and (197.5, 177.5, 127.5); grey 122.5 and 167.5. At a saturation of 2 (152.5, 132.5, 82.5) and
    (227.5, 187.5, 87.5), rounded to even."""
    transform = TRANSFORMS.build(dict(type='RandomColourShift'))
    draws = dict(gain=np.array([1.2, 1.0, 0.5]), shift=10.0, contrast=0.5, saturation=2.0)
    monkeypatch.setattr(transform, '_draws', lambda: draws)
    found = transform(dict(img=np.array([[[100, 100, 100], [200, 200, 200]]], np.uint8)))['img']
    assert found.dtype == np.uint8 and found.tolist() == [[[152, 132, 82], [228, 188, 88]]]


def test_ranges_of_nothing_and_a_probability_of_nought_change_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert (shifted(pixels, **NOTHING) == pixels).all()
    assert (shifted(pixels, prob=0.0) == pixels).all()


def test_a_gain_is_of_all_channels_alike_in_half_of_the_cases_and_in_its_range():
    white = np.full((1, 1, 3), 200)
    found = np.array([shifted(white, seed, **{**NOTHING, 'gain': 0.2})[0, 0] for seed in range(400)], float)
    assert found.min() >= 160 and found.max() <= 240 and np.ptp(found) > 70
    alike = (np.ptp(found, axis=1) == 0).mean()
    assert 0.4 < alike < 0.6


def test_saturated_values_stay_in_bounds_and_follow_the_seed():
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    strong = dict(prob=1.0, gain=1.0, shift=255.0, contrast=1.0, saturation=(0.0, 4.0))
    assert (shifted(pixels, 3, **strong) == shifted(pixels, 3, **strong)).all()
    assert (shifted(pixels, 3, **strong) != shifted(pixels, 4, **strong)).any()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(prob=1.5), r'RandomColourShift.prob=1.5 must be from 0 to 1'),
        (dict(gain=-0.1), r'RandomColourShift.gain=-0.1 must be'),
        (dict(saturation=(1.2, 0.7)), 'a range of factors of 0 or more'),
        (dict(shift=-1.0), 'an offset of 0 or more'),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(InputError, match=message):
        TRANSFORMS.build(dict(type='RandomColourShift', **settings))
