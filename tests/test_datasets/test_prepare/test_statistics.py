"""Counts by hand, and of the real tiles."""

import numpy as np
import pytest
from PIL import Image

from mapsage_mmseg.datasets.prepare.statistics import Counts, Statistics


def counts(*labels, dropped=0):
    made = Counts.none(3)
    for label in labels:
        made.take(np.array(label, np.uint8))
    made.dropped = dropped
    return made


def test_by_hand():
    made = counts([[0, 0, 2, 255]], [[2, 2, 2, 2]], dropped=1)
    assert made.pixels.tolist() == [2, 0, 5] and (made.ignored, made.tiles) == (1, 2)
    assert made.shares().tolist() == pytest.approx([2 / 7, 0, 5 / 7]) and made.ignored_share() == 1 / 8
    again = Counts.from_dict(made.as_dict())
    again.add(made)
    assert (again.pixels.tolist(), again.ignored, again.tiles, again.dropped) == ([4, 0, 10], 2, 4, 2)
    assert Counts.none(3).shares().tolist() == [0, 0, 0] and Counts.none(3).ignored_share() == 0


def test_a_table_for_people():
    statistics = Statistics(('water', 'land | sand', 'road'), 0.5)
    statistics.add('train', 'north', counts([[0, 0, 2, 255]]))
    statistics.add('val', 'south', counts([[2, 2, 2, 2]], dropped=3))
    statistics.add('train', 'north', counts([[1, 1, 1, 1]]))
    lines = statistics.text().splitlines()
    cells = {row[0]: row[1:] for line in lines if (row := [cell.strip() for cell in line.split('|')[1:-1]])}
    assert cells['tiles'] == ['2', '1'] and cells['ignored pixels'] == ['12.50%', '0.00%']
    assert cells['land / sand'] == ['57.14%', '0.00%'] and cells['road'] == ['14.29%', '100.00%']
    assert cells['south'] == ['val', '1', '1', '3', '0.00%'] and cells['north'] == ['train', '2', '2', '0', '12.50%']
    assert statistics.absent() == ['val: no pixel of class water', 'val: no pixel of class land | sand']


def test_what_transparency_hid():
    """2 of 8 pixels and 4 of 4 where there is such a band: a half; an image without one does not count."""
    statistics, first, second = Statistics(('water', 'land'), 0.5), Counts.none(2), Counts.none(2)
    first.hide(4, np.array([[True, True], [True, True]]))
    first.hide(4, np.array([[False, True], [False, True]]))
    second.hide(4, np.array([[False, False], [False, False]]))
    statistics.add('train', 'plain', Counts.none(2))
    assert statistics.veiled() == []
    statistics.add('train', 'north', Counts.from_dict(first.as_dict()))
    statistics.add('val', 'south', second)
    (line,) = statistics.veiled()
    assert line.startswith('band 4 was taken for transparency and hid 50.0% of the pixels')


@pytest.mark.dubai
def test_the_real_tiles(dubai):
    """As their README has them."""
    expected = {'train': (594, [0.114, 0.456, 0.076, 0.091, 0.263], 0.006)}
    expected['val'] = (188, [0.139, 0.536, 0.125, 0.108, 0.094], 0.016)
    for split, (tiles, shares, ignored) in expected.items():
        made = Counts.none(5)
        for file in (dubai / 'ann_dir' / split).iterdir():
            made.take(np.asarray(Image.open(file)))
        assert made.tiles == tiles
        assert made.shares().tolist() == pytest.approx(shares, abs=1e-3)
        assert made.ignored_share() == pytest.approx(ignored, abs=5.1e-4)
