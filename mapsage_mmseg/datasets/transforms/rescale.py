"""Random scale, relative to an image's own size."""

from typing import Any

from mmcv.transforms import RandomResize
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRescale(RandomResize):
    """Scales image and label by a factor drawn from ``ratio_range``; the aspect ratio is kept.

    mmcv's ``RandomResize`` multiplies one scale for all images by the factor. With tiles of another size, it trains at
    another resolution than validation and prediction use. For images of that scale, both are bit-identical.

    Args:
        ratio_range: Smallest and largest factor.
        resize_type: As mmcv's.
        resize_kwargs: As mmcv's, without ``keep_ratio``.
    """

    def __init__(self, ratio_range: tuple[float, float], resize_type: str = 'Resize', **resize_kwargs: Any) -> None:
        super().__init__((1, 1), ratio_range, resize_type, keep_ratio=True, **resize_kwargs)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes image and label. Needs ``img``; changes the same keys as mmcv's ``Resize``."""
        height, width = results['img'].shape[:2]
        self.scale = (width, height)
        results['scale'] = self.resize.scale = tuple(max(side, 1) for side in self._random_scale())
        return self.resize(results)
