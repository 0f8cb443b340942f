"""Where tiles lie: by hand, and that every pixel is in one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsage_mmseg.datasets.prepare.tiling import TILE_SCENE, tile_name, windows
from mapsage_mmseg.datasets.tiles.parts import scene_pattern
from mapsage_mmseg.imagery import Window
from mapsage_mmseg.imagery.windows import starts_by_stride


@pytest.mark.parametrize(
    ('length', 'stride', 'expected'),
    [
        (256, 256, [0]),
        (512, 256, [0, 256]),
        (600, 256, [0, 256, 344]),  # the last is moved back to the edge
        (600, 128, [0, 128, 256, 344]),
        (100, 256, [0]),  # shorter than a tile
        (797, None, [0, 270, 541]),  # 3.1 tiles: three, evenly spread
        (1126, None, [0, 290, 580, 870]),
        (509, None, [0, 253]),
        (300, None, [0]),
    ],
)
def test_by_hand(length, stride, expected):
    assert starts_by_stride(length, 256, stride) == expected


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.data())
def test_every_pixel_is_in_a_tile_and_no_tile_leaves_the_image(height, width, size, data):
    stride = data.draw(st.integers(1, size))
    seen, found = np.zeros((height, width), int), list(windows(height, width, size, stride))
    for window in found:
        assert seen[window.slices].shape == (min(size, height), min(size, width))
        seen[window.slices] += 1
    assert seen.min() >= 1 and len(set(found)) == len(found)


@given(st.integers(1, 3000), st.integers(1, 300))
def test_even_tiles_lie_inside_and_reach_both_edges(length, size):
    found = starts_by_stride(length, size, None)
    assert found == sorted(set(found)) and found[0] == 0
    assert found[-1] == length - size or len(found) == 1
    if len(found) > 1:
        steps = np.diff(found)
        assert steps.max() - steps.min() <= 1


def test_a_tiles_name_leads_back_to_its_image():
    name = tile_name('north_r2_c1', Window(0, 12345, 4, 4))
    assert name == 'north_r2_c1_r0000_c12345'
    assert scene_pattern(TILE_SCENE, '').search(f'{name}.png')[1] == 'north_r2_c1'
