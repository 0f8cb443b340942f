"""Prediction by windows, and the store of finished strips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsage_mmseg.deployment.maps.strip_store import StripStore
from mapsage_mmseg.deployment.maps.strips import Plan, predict_strips
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery.windows import starts_by_overlap, weights


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def one_pixel_logits(image):
    """A model that sees one pixel: three classes, by the highest of red, green and blue."""
    return image.transpose(0, 3, 1, 2).astype(np.float32) / 50


def reader(pixels, known=None):
    known = np.ones(pixels.shape[:2], bool) if known is None else known

    def read(row, column, height, width):
        window = slice(row, row + height), slice(column, column + width)
        return pixels[window], known[window]

    return read


def joined(plan, read, logits=one_pixel_logits, first=0):
    strips = list(predict_strips(plan, read, logits, 3, first))
    return np.concatenate([strip for strip, _ in strips]), strips


SIDES = st.integers(1, 500).flatmap(
    lambda length: st.integers(2, 200).flatmap(
        lambda window: st.tuples(st.just(length), st.just(window), st.integers(0, window - 1))
    )
)


@given(SIDES)
def test_windows_cover_a_side_and_their_weights_sum_to_one(side):
    length, window, overlap = side
    first, size = starts_by_overlap(length, window, overlap), min(window, length)
    assert first[0] == 0 and first[-1] + size == length
    assert all(0 < b - a <= window - overlap for a, b in zip(first, first[1:], strict=False))
    total = np.zeros(length)
    for start, weight in zip(first, weights(first, window, length), strict=True):
        assert (weight > 0).all()
        total[start : start + size] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_a_windows_weight_falls_towards_its_border():
    left, right = weights([0, 4], 8, 12)
    assert np.array_equal(left[:4], np.ones(4)) and np.array_equal(right, left[::-1])
    # In the overlap the first window counts 4, 3, 2, 1 and the second 1, 2, 3, 4, over their sum.
    np.testing.assert_allclose(left[4:], [0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize('height, width, window, overlap', [(90, 70, 32, 8), (33, 33, 32, 31), (20, 100, 32, 0)])
def test_a_model_that_sees_one_pixel_gives_the_same_by_windows_as_at_once(height, width, window, overlap):
    pixels = picture(height, width)
    classes, strips = joined(Plan(height, width, window, overlap), reader(pixels))
    assert np.array_equal(classes, one_pixel_logits(pixels[None])[0].argmax(0))
    for _, probabilities in predict_strips(Plan(height, width, window, overlap), reader(pixels), one_pixel_logits, 3):
        np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    assert sum(len(strip) for strip, _ in strips) == height


def test_where_windows_disagree_their_probabilities_are_averaged():
    """Two windows of one row, 8 wide and 4 apart; the first is sure of class 0, the second of class 1."""
    calls = iter([0, 1])

    def logits(image):
        found = np.full((1, 3, *image.shape[1:3]), -50, np.float32)
        found[:, next(calls)] = 50
        return found

    ((_, probabilities),) = predict_strips(Plan(8, 12, 8, 4), reader(picture(8, 12)), logits, 3)
    np.testing.assert_allclose(probabilities[0, 0], [1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize('overlap', [8, 26])
def test_going_on_at_any_strip_gives_the_same_bits(overlap):
    pixels, plan = picture(70, 50), Plan(70, 50, 32, overlap)
    _, whole = joined(plan, reader(pixels))
    for first in range(len(plan.rows)):
        _, rest = joined(plan, reader(pixels), first=first)
        assert len(rest) == len(whole) - first
        for (classes, _), (expected, _) in zip(rest, whole[first:], strict=True):
            assert np.array_equal(classes, expected)
    *_, (_, last) = predict_strips(plan, reader(pixels), one_pixel_logits, 3)
    ((_, again),) = predict_strips(plan, reader(pixels), one_pixel_logits, 3, len(plan.rows) - 1)
    assert np.array_equal(last, again)


def test_pixels_without_data_have_no_class_and_empty_windows_are_not_predicted():
    known = np.ones((64, 64), bool)
    known[:40, :40] = False
    sizes = []

    def logits(image):
        sizes.append(image.shape)
        return one_pixel_logits(image)

    pixels = picture(64, 64)
    classes, _ = joined(Plan(64, 64, 32, 0), reader(pixels, known), logits)
    assert np.array_equal(classes == 255, ~known)
    assert np.array_equal(classes[known], pixels.argmax(-1)[known])
    assert len(sizes) == 3


def test_a_store_counts_whole_strips_only_and_forgets_other_plans(tmp_path):
    store = StripStore(tmp_path / 'map.tif', dict(window=512))
    strips = [np.full((2, 3), value, np.uint8) for value in range(5)]
    for index in (0, 1, 3):
        store.keep(index, strips[index], None)
    (store.folder / '.strip_000002.npz.abcd.partial').write_bytes(b'half')
    again = StripStore(tmp_path / 'map.tif', dict(window=512))
    assert again.finished() == 2 and not list(again.folder.glob('.*partial'))
    again.keep(2, strips[2], None)
    chunks = list(again.chunks('classes', 3))
    assert [row for row, _ in chunks] == [0, 3, 6]
    assert np.array_equal(np.concatenate([chunk for _, chunk in chunks]), np.repeat([0, 1, 2, 3], 2)[:, None] + [0] * 3)
    assert StripStore(tmp_path / 'map.tif', dict(window=256)).finished() == 0


@pytest.mark.parametrize(
    'damage', [lambda data: data[: len(data) // 2], lambda data: data[:60] + b'?' * 20 + data[80:]]
)
def test_a_damaged_strip_is_named(tmp_path, damage):
    store = StripStore(tmp_path / 'map.tif', {})
    store.keep(0, np.arange(6, dtype=np.uint8).reshape(2, 3), None)
    path = store.folder / 'strip_000000.npz'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r'strip_000000\.npz cannot be read .* remove it'):
        list(store.chunks('classes', 3))
