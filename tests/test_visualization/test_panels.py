"""Panels: colours, layout and what is refused."""

import numpy as np
import pytest

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.visualization.panels import CORRECT, GAP, IGNORED, LINE, WRONG, colorize, difference, grid, panel

PALETTE = [[60, 16, 152], [132, 41, 246], [110, 193, 228]]
CLASSES = ['building', 'land', 'road']
LABEL = np.array([[0, 1, 2, 255], [0, 1, 2, 255], [0, 1, 2, 255], [0, 1, 2, 255]], dtype=np.uint8)
IMAGE = np.zeros((4, 4, 3), dtype=np.uint8)


def _tile(picture: np.ndarray, column: int, size: int = 192) -> np.ndarray:
    left = GAP + (size + GAP) * column
    return picture[LINE : LINE + size, left : left + size]


def test_colorize_by_hand() -> None:
    painted = colorize(np.array([[0, 2], [255, -1]]), PALETTE, (1, 2, 3))
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[PALETTE[0], PALETTE[2]], [[1, 2, 3], [1, 2, 3]]]


def test_difference_by_hand() -> None:
    painted = difference(np.array([[0, 1, 2]]), np.array([[0, 2, 255]]), 3)
    assert painted.tolist() == [[list(CORRECT), list(WRONG), list(IGNORED)]]


def test_the_tiles_stand_in_order_and_are_enlarged_sharply() -> None:
    student = np.where(LABEL == 1, 0, LABEL).clip(0, 2)
    predictions = {'teacher': LABEL.clip(0, 2), 'student': student}
    picture = panel(IMAGE + 77, LABEL, predictions, PALETTE, CLASSES)
    assert picture.shape[1] == GAP + 5 * (192 + GAP)
    expected = [
        IMAGE + 77,
        colorize(LABEL, PALETTE),
        colorize(predictions['teacher'], PALETTE),
        colorize(student, PALETTE),
        difference(student, LABEL, 3),
    ]
    for column, tile in enumerate(expected):
        enlarged = tile.repeat(48, axis=0).repeat(48, axis=1)
        np.testing.assert_array_equal(_tile(picture, column), enlarged, err_msg=str(column))


def test_the_student_is_compared_whatever_its_place_and_else_the_last() -> None:
    right, wrong = LABEL.clip(0, 2), np.zeros_like(LABEL)
    first = panel(IMAGE, LABEL, {'student': wrong, 'teacher': right}, PALETTE, CLASSES, legend=False)
    assert (_tile(first, 4) == WRONG).all(axis=2).any()
    last = panel(IMAGE, LABEL, {'a': wrong, 'image': right}, PALETTE, CLASSES, legend=False)
    assert not (_tile(last, 4) == WRONG).all(axis=2).any()


def test_large_tiles_are_reduced() -> None:
    large = np.zeros((800, 1600), dtype=np.int64)
    picture = panel(np.zeros((800, 1600, 3), np.uint8), large, {'student': large}, PALETTE, CLASSES, legend=False)
    assert picture.shape == (LINE + 256 + GAP, GAP + 4 * (512 + GAP), 3)


def test_the_legend_shows_every_colour_and_wraps() -> None:
    palette = [[index, 255 - index, 128] for index in range(60)]
    predictions = {'student': np.zeros_like(LABEL)}
    plain = panel(IMAGE, LABEL, predictions, palette, [f'class number {i}' for i in range(60)], legend=False)
    full = panel(IMAGE, LABEL, predictions, palette, [f'class number {i}' for i in range(60)])
    legend = full[plain.shape[0] :]
    assert full.shape[1] == plain.shape[1]
    assert legend.shape[0] > 5 * LINE
    painted = {tuple(colour) for colour in legend.reshape(-1, 3).tolist()}
    assert {*map(tuple, palette), CORRECT, WRONG, IGNORED} <= painted


def test_an_ignored_label_and_names_that_the_font_lacks_are_drawn() -> None:
    label = np.full((4, 4), 255)
    picture = panel(IMAGE, label, {'学生': np.zeros((4, 4), int)}, PALETTE, ['建筑', '道路', '水体'])
    assert (_tile(picture, 3) == IGNORED).all()


def test_a_long_caption_stays_in_its_column() -> None:
    predictions = {'m' * 100: LABEL.clip(0, 2), 'student': LABEL.clip(0, 2)}
    picture = panel(IMAGE, LABEL, predictions, PALETTE, CLASSES, legend=False)
    left = GAP + (192 + GAP) * 3
    assert (picture[:LINE, left - GAP + 1 : left] == 255).all()


def test_grid_stacks_and_fills_up() -> None:
    stacked = grid([np.zeros((2, 5, 3), np.uint8), np.zeros((3, 4, 3), np.uint8)])
    assert stacked.shape == (5, 5, 3)
    assert (stacked[2:, 4] == 255).all()
    assert (stacked[:, :4] == 0).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image': IMAGE.astype(float)}, 'image'),
        ({'image': IMAGE[..., 0]}, 'image'),
        ({'label': LABEL[None]}, 'label'),
        ({'label': LABEL.astype(float)}, 'label'),
        ({'predictions': {}}, 'predictions'),
        ({'predictions': {'student': LABEL[:2]}}, r'student: \(H, W\) is \(2, 4\)'),
        ({'palette': PALETTE[:2]}, '2 colours for 3 classes'),
        ({'palette': [[300, 0, 0]] * 3}, 'palette'),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    arguments = {
        'image': IMAGE,
        'label': LABEL,
        'predictions': {'student': LABEL},
        'palette': PALETTE,
        'classes': CLASSES,
    }
    with pytest.raises(InputError, match=message):
        panel(**{**arguments, **change})


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(InputError, match='rows'):
        grid([])
