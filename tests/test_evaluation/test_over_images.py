"""The interval over validation images: its value where it can be worked out, and what it is read from."""

import numpy as np
import pytest

from mapsage_mmseg.evaluation.comparison import compare
from mapsage_mmseg.evaluation.over_images import NAME, miou, paired_bootstrap, read_areas
from mapsage_mmseg.evaluation.transfer import answers
from tests import records


def areas(right, of=100):
    """Images of one class each, (N, 3, 1): so many pixels right of those labelled, and as many predicted."""
    return np.array([[[hit], [of], [of]] for hit in right])


def test_miou_by_hand():
    # Two classes: 50 right of 100 labelled and 100 predicted is 50 / 150; 30 of 40 and 50 is 30 / 60; one is absent.
    assert miou(np.array([[50, 30, 0], [100, 40, 0], [100, 50, 0]])) == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)


def test_a_difference_that_every_image_has_is_certain():
    better, worse = areas([100] * 20), areas([50] * 20)
    low, high = paired_bootstrap([(better, worse)])
    assert low == high == pytest.approx(100 - 100 * 50 / 150)


def test_the_interval_is_that_of_the_images_share():
    """One image in two is gained wholly: 100 of 100 against 0, the others alike. With labels and predictions of one
    size mIoU is a function of the share s of right pixels, s / (2 - s), and s follows a binomial of 40 draws."""
    count = 40
    better, worse = areas([100] * count), areas([100, 0] * (count // 2))
    low, high = paired_bootstrap([(better, worse)], draws=20_000)
    shares = np.random.default_rng(1).binomial(count, 0.5, 200_000) / count
    expected = np.percentile(100 - 100 * shares / (2 - shares), (2.5, 97.5))
    assert (low, high) == pytest.approx(tuple(expected), abs=2.0)


def test_the_images_are_the_same_for_both_runs():
    """Images differ much, the two runs do not: drawn apart, the interval would be wide."""
    rng = np.random.default_rng(0)
    hits = rng.integers(0, 90, 50)
    low, high = paired_bootstrap([(areas(hits + 5), areas(hits))])
    assert 2 < low < high < 8


def test_other_images_have_no_interval():
    assert paired_bootstrap([(areas([1, 2]), areas([1, 2, 3]))]) is None and paired_bootstrap([]) is None


@pytest.mark.parametrize('content', [b'', b'no archive', None])
def test_what_cannot_be_read_is_absent(tmp_path, content):
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    assert read_areas(tmp_path / 'result.json') is None


def test_both_intervals_are_in_the_answer(tmp_path):
    runs = []
    for experiment, base in (('no_distill', 50.0), ('improved_distill', 52.0)):
        for seed in range(3):
            record = records.record(experiment, seed, base + seed / 10)
            folder = records.write(tmp_path, record, f'2026010{seed}_000000')
            np.savez_compressed(folder / NAME, areas=areas([60 if experiment == 'no_distill' else 70] * 8))
            runs.append({**record, 'path': str(folder / 'result.json')})
    comparison = compare(runs)
    gain = 100 * (70 / 130 - 60 / 140)
    assert comparison.arms[1].differences['mIoU'].images == pytest.approx((gain, gain))
    (found,) = answers(comparison, runs)
    assert f'over the validation images +{gain:.2f} to +{gain:.2f}' in found.reason.lower()
