"""Random colour shifts: other sun, other haze, another camera."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ...errors import InputError


@TRANSFORMS.register_module()
class RandomColourShift(BaseTransform):
    """Changes brightness, colour cast, contrast and saturation of an 8-bit image, all at once.

    ``PhotoMetricDistortion`` has no colour cast, which is what sets scenes of different light apart: here each channel
    may get a gain of its own. Values are rounded and clipped to 0 to 255 once, at the end.

    Args:
        prob: Probability that an image is changed, 0 to 1.
        gain: Largest change of the gain as a share, 0 to 1: of all channels alike in half of the cases, of each channel
            by itself in the others.
        shift: Largest offset, in values of 0 to 255.
        contrast: Largest change of contrast as a share, 0 to 1, about the mean of the image.
        saturation: Range of the factor of saturation: 0 is grey, 1 as it is.

    Raises:
        InputError: A value is outside its range.

    Required Keys:

    - img: (H, W, 3), uint8

    Modified Keys:

    - img
    """

    on_whole_image = False  # the teacher cache asks the teacher about the image as it is

    def __init__(
        self,
        prob: float = 0.8,
        gain: float = 0.2,
        shift: float = 16.0,
        contrast: float = 0.2,
        saturation: tuple[float, float] = (0.7, 1.2),
    ) -> None:
        shares = dict(prob=prob, gain=gain, contrast=contrast)
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise InputError(f'RandomColourShift.{name}={value!r} must be from 0 to 1')
        if shift < 0 or not 0 <= saturation[0] <= saturation[1]:
            raise InputError(
                f'RandomColourShift.shift={shift!r}, saturation={saturation!r}: expected an offset of 0 or more, and a '
                'range of factors of 0 or more'
            )
        self.prob, self.gain, self.shift, self.contrast, self.saturation = prob, gain, shift, contrast, saturation

    @cache_randomness
    def _draws(self) -> dict[str, Any] | None:
        if np.random.rand() >= self.prob:
            return None
        alike = np.random.rand() < 0.5
        return dict(
            gain=np.random.uniform(1 - self.gain, 1 + self.gain, 1 if alike else 3),
            shift=np.random.uniform(-self.shift, self.shift),
            contrast=np.random.uniform(1 - self.contrast, 1 + self.contrast),
            saturation=np.random.uniform(*self.saturation),
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Changes the image."""
        drawn = self._draws()
        if drawn is not None:
            pixels = results['img'].astype(np.float32) * drawn['gain'].astype(np.float32) + np.float32(drawn['shift'])
            mean = pixels.mean()
            pixels = mean + (pixels - mean) * np.float32(drawn['contrast'])
            grey = pixels.mean(axis=-1, keepdims=True)
            pixels = grey + (pixels - grey) * np.float32(drawn['saturation'])
            results['img'] = pixels.round().clip(0, 255).astype(np.uint8)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, gain={self.gain}, shift={self.shift}, contrast={self.contrast}, '
            f'saturation={self.saturation})'
        )
