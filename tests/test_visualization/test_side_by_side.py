"""Agreement and class shares, by hand, and the table that shows them."""

import re

import numpy as np
import pytest

from mapsage_mmseg.visualization.side_by_side import agreement, render, shares

STUDENT = np.array([[0, 0, 1, 255]], np.uint8)
TEACHER = np.array([[0, 1, 1, 2]], np.uint8)
NOTHING = np.full((1, 4), 255, np.uint8)


def test_by_hand():
    assert agreement(STUDENT, TEACHER) == pytest.approx(100 * 2 / 3)  # the last pixel holds no class in one of them
    assert agreement(STUDENT, NOTHING) is None
    assert shares(STUDENT, 3) == pytest.approx([100 * 2 / 3, 100 / 3, 0])
    assert shares(NOTHING, 3) == [0, 0, 0]


def rendered(**maps):
    model = dict(name='student', milliseconds=12.3, megabytes=14.9, params_m=None, mIoU=54.3)
    palette = [(9, 9, 9), (8, 8, 8), (7, 7, 7)]
    return render(np.zeros((1, 4, 3), np.uint8), maps, ['a', '<b>', 'c'], palette, [model], 'tile')


def test_the_page_has_the_figures_and_escapes_names():
    page = rendered(student=STUDENT, teacher=TEACHER)
    assert '<strong>66.7 %</strong> of the pixels alike for student and teacher' in page
    row = re.search(r'&lt;b&gt;</th>(.*?)</tr>', page, re.DOTALL)
    assert re.findall(r'>([\d.]+)</td>', row[1].replace('</span>', '>')) == ['33.3', '50.0']
    assert '<b>' not in page and '<td>12</td><td>14.9</td><td>–</td><td>54.30</td>' in page


def test_alone_it_is_compared_with_nothing_but_a_label():
    assert 'alike' not in rendered(student=STUDENT) and 'differ' not in rendered(student=STUDENT)
    assert 'student, 66.7 % as labelled' in rendered(label=TEACHER, student=STUDENT)
