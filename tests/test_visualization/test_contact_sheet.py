"""A few tiles as one picture."""

import numpy as np

from mapsage_mmseg.visualization.contact_sheet import OPACITY, contact_sheet, overlay

PALETTE = [[255, 0, 0], [0, 0, 255]]


def test_an_overlay_tints_classes_and_blacks_out_the_rest():
    image = np.full((1, 3, 3), 100, np.uint8)
    tinted = overlay(image, np.array([[0, 1, 255]], np.uint8), PALETTE)
    mixed, dimmed = round(100 * (1 - OPACITY) + 255 * OPACITY), round(100 * (1 - OPACITY))
    assert tinted.tolist() == [[[mixed, dimmed, dimmed], [dimmed, dimmed, mixed], [0, 0, 0]]]


def test_a_large_tile_is_reduced():
    large = ('a', 'val', np.zeros((700, 700, 3), np.uint8), np.zeros((700, 700), np.uint8))
    small = ('a', 'val', np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.uint8))
    assert contact_sheet([large], PALETTE, ['a', 'b']).shape == contact_sheet([small], PALETTE, ['a', 'b']).shape


def test_tiles_of_several_sizes_and_a_legend():
    rng = np.random.default_rng(0)
    tiles = [
        (f'tile {side}', 'val', rng.integers(0, 256, (side, 40, 3), np.uint8), np.zeros((side, 40), np.uint8))
        for side in (40, 60, 40, 40)
    ]
    sheet = contact_sheet(tiles, PALETTE, ['building', 'road'])
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    one = contact_sheet(tiles[:1], PALETTE, ['building', 'road'])
    assert sheet.shape[0] > one.shape[0] and sheet.shape[1] > 2.5 * one.shape[1]
    assert (one.reshape(-1, 3) == PALETTE[1]).all(1).any()  # the legend has the class that no tile has
