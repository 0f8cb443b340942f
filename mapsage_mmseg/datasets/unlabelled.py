"""Labels of tiles that have none."""

from typing import Any

import numpy as np
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from .dataset_yaml import IGNORE


@TRANSFORMS.register_module()
class LoadLabelIfAny(LoadAnnotations):
    """Stands for ``LoadAnnotations`` where a data set has unlabelled tiles: of these every pixel is ignored.

    Args:
        kwargs: As for :class:`mmseg.datasets.transforms.LoadAnnotations`.
    """

    on_whole_image = True  # it moves no pixel, and changes every image alike

    def _load_seg_map(self, results: dict[str, Any]) -> None:
        if results['seg_map_path'] is not None:
            super()._load_seg_map(results)
            return
        results['gt_seg_map'] = np.full(results['img'].shape[:2], IGNORE, np.uint8)
        results['seg_fields'].append('gt_seg_map')
