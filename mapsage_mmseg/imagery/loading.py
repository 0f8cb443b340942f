"""Loading images and labels in a pipeline."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from mmseg.registry import TRANSFORMS

from ..errors import InputError
from .bands import Bands
from .images import read_image, read_mask
from .limits import MAX_PIXELS

IGNORE = 255
UNLABELLED = 254  # a pixel with image data but without a label, if a data set keeps these
_warned: set[Path] = set()  # folders that this process has warned about


def _warn(file: Path, reason: str) -> None:
    if file.parent not in _warned:
        _warned.add(file.parent)
        print_log(reason, 'current', logging.WARNING)


@TRANSFORMS.register_module()
class LoadRasterImage(BaseTransform):
    """Replaces ``LoadImageFromFile``: reads pixels as every other tool of this package does.

    Values of more than 8 bits without statistics are returned as stored, with a warning. The check of a folder and a
    dry run refuse them.

    Args:
        bands: As :meth:`Bands.as_dict` returns them; None for red, green and blue of 8 bits.
        max_pixels: Largest number of pixels that an image's header may claim.
    """

    on_whole_image = True  # moves no pixel, and changes every image alike

    def __init__(self, bands: Mapping[str, Any] | None = None, max_pixels: int = MAX_PIXELS) -> None:
        self.bands, self.max_pixels = Bands.of(dict(bands=bands) if bands else None), max_pixels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``img`` (H, W, 3), uint8, BGR, or (H, W, B), ``img_shape``, ``ori_shape``, and ``img_known`` (H, W) if
        pixels are missing."""
        file = Path(results['img_path'])
        values, known = read_image(file, self.bands, self.max_pixels, partial(_warn, file))
        if self.bands is None:
            values = cv2.cvtColor(values, cv2.COLOR_RGB2BGR)
        results = {**results, 'img': values, 'img_shape': values.shape[:2], 'ori_shape': values.shape[:2]}
        return results if known is None else {**results, 'img_known': known}


@TRANSFORMS.register_module()
class LoadRasterLabel(BaseTransform):
    """Replaces ``LoadAnnotations``.

    Labels of missing pixels are ignored, and so is every pixel of an image without a label.

    Args:
        reduce_zero_label: Ignore 0 and begin the classes at 1; None for the data set's own setting.
        max_pixels: Largest number of pixels that a label's header may claim.
        keep_unlabelled: Mark unlabelled pixels with image data by :data:`UNLABELLED`. This tells them apart from the
            padding of later transforms, so that a student can be distilled there.
    """

    on_whole_image = True

    def __init__(
        self, reduce_zero_label: bool | None = None, max_pixels: int = MAX_PIXELS, keep_unlabelled: bool = False
    ) -> None:
        self.reduce_zero_label, self.max_pixels = reduce_zero_label, max_pixels
        self.keep_unlabelled = keep_unlabelled

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``gt_seg_map`` (H, W), uint8."""
        known = results.pop('img_known', None)
        if results.get('seg_map_path') is None:
            label = np.full(results['img_shape'][:2], IGNORE, np.uint8)
        else:
            label = self._label(results)
        if self.keep_unlabelled:
            label[label == IGNORE] = UNLABELLED
        if known is not None and known.shape == label.shape:
            label = np.where(known, label, np.uint8(IGNORE))
        results['gt_seg_map'] = label
        results['seg_fields'].append('gt_seg_map')
        return results

    def _label(self, results: dict[str, Any]) -> np.ndarray:
        file = Path(results['seg_map_path'])
        stored = read_mask(file, self.max_pixels)
        label = stored.astype(np.uint8)
        if (label != stored).any():
            raise InputError(f'{file}: label {stored[label != stored][0]}; expected numbers from 0 to 255')
        reduced = results.get('reduce_zero_label') if self.reduce_zero_label is None else self.reduce_zero_label
        if reduced:
            label = np.where(label == 0, np.uint8(IGNORE), label - 1)
            label[label == IGNORE - 1] = IGNORE
        if results.get('label_map') is not None:
            before = label.copy()
            for old, new in results['label_map'].items():
                label[before == old] = new
        return label
