"""Values of more than 8 bits."""

import numpy as np
import pytest

from mapsage_mmseg.imagery import to_8_bits


@pytest.mark.filterwarnings('error')
def test_a_range_is_spread_over_8_bits():
    pixels = np.array([0, 100, 300, 610, 1120, 65535], np.uint16)
    assert to_8_bits(pixels, (100, 1120)).tolist() == [0, 0, 50, 128, 255, 255]  # 510 of 1020 is 127.5: to even
    reflectance = np.array([-0.1, 0.0, 0.15, 0.3, np.nan], np.float32)
    assert to_8_bits(reflectance, (0, 0.3)).tolist() == [0, 0, 128, 255, 0]
    endless = np.array([-np.inf, np.inf, 0.5], np.float32)
    assert to_8_bits(endless, (0, 1)).tolist() == [0, 255, 128]


def test_without_one_nothing_changes():
    pixels = np.arange(256, dtype=np.uint8)
    assert to_8_bits(pixels, None) is pixels
