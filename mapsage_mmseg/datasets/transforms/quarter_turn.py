"""Random quarter turns: seen from above, no direction is up."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomQuarterTurn(BaseTransform):
    """Turns image and label by 0, 90, 180 or 270 degrees, each as likely as the others. No pixel is interpolated.

    Required Keys:

    - img
    - every key in seg_fields

    Modified Keys:

    - img, img_shape
    - every key in seg_fields

    Added Keys:

    - quarter_turns: how many, anticlockwise
    """

    @cache_randomness
    def _turns(self) -> int:
        return int(np.random.randint(4))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turns image and label."""
        turns = results['quarter_turns'] = self._turns()
        for key in ('img', *results.get('seg_fields', ())):
            results[key] = np.ascontiguousarray(np.rot90(results[key], turns))
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
