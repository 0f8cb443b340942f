"""A training pipeline that applies the geometric transforms of the image to maps of the whole image, too."""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import mmcv.transforms
import mmseg.datasets.transforms
import numpy as np
import torch
from mmcv.transforms.utils import cache_random_params
from mmengine.structures import BaseDataElement

from ...errors import InputError
from ..synthetic import dataset as synthetic
from .geometry import RULES, Rule, objection
from .map_store import MapStore
from .seeding import SeedDraws

# Transforms that move no pixel. True: also applied to the whole, unaugmented image; False: random, or without effect.
STILL: dict[Any, bool] = {
    mmcv.transforms.LoadImageFromFile: True,
    mmseg.datasets.transforms.LoadSingleRSImageFromFile: True,
    mmseg.datasets.transforms.LoadAnnotations: True,
    synthetic.take_label: True,
    synthetic.give_label: True,
    mmcv.transforms.Normalize: True,
    mmseg.datasets.transforms.Rerange: True,
    mmseg.datasets.transforms.RGB2Gray: True,
    mmseg.datasets.transforms.AdjustGamma: True,
    mmseg.datasets.transforms.CLAHE: True,
    mmseg.datasets.transforms.PackSegInputs: True,
    SeedDraws: False,
    mmseg.datasets.transforms.PhotoMetricDistortion: False,
    mmseg.datasets.transforms.RandomCutOut: False,
    mmcv.transforms.RandomGrayscale: False,
}
UNKNOWN = (
    'how it moves pixels is not known. A transform of your own that moves none says so by a class attribute: '
    'on_whole_image = True where it changes every image alike, as in loading, False where it draws'
)
FIXED = (mmcv.transforms.Resize, mmseg.datasets.transforms.Resize)


class Replay:
    """A pipeline, split into its transforms.

    Attributes:
        steps: Each transform, with the rule for how it moves the image; None if it moves no pixel.
        whole: Positions of the transforms that make the whole, unaugmented image: those that load it or change every
            image alike, and a Resize to a fixed size before any other geometric transform.

    Raises:
        InputError: A transform cannot be replayed, which the message names, or the last one is not PackSegInputs.
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        self.steps: list[tuple[Callable, Rule | None]] = []
        self.whole: list[int] = []
        for position, step in enumerate(transforms):
            kind = step if inspect.isfunction(step) else type(step)
            still = STILL.get(kind, getattr(step, 'on_whole_image', None))
            rule = RULES.get(kind)  # type: ignore[arg-type]
            if rule is None and still is None:
                raise InputError(_refusal(step, UNKNOWN))
            if rule and (trouble := objection(step)):
                raise InputError(_refusal(step, trouble))
            if kind in FIXED and not any(rule for _, rule in self.steps):
                rule, still = None, True
            self.steps.append((step, rule))
            if still:
                self.whole.append(position)
        if not transforms or type(transforms[-1]) is not mmseg.datasets.transforms.PackSegInputs:
            raise InputError('teacher_cache: the training pipeline must end with PackSegInputs')

    def whole_image(self, info: dict[str, Any]) -> dict[str, Any]:
        """Returns the packed sample of the unaugmented image, from a dataset's ``get_data_info``."""
        for position in self.whole:
            info = self.steps[position][0](info)
        return info


def _refusal(step: Any, why: str) -> str:
    name = step.__name__ if inspect.isfunction(step) else type(step).__name__
    return f'teacher_cache: {name} in the training pipeline cannot be replayed on what the teacher said: {why}'


class ReplayedPipeline:
    """Replaces a dataset's pipeline, and adds ``teacher_maps`` to each packed sample.

    These are the stored maps of the whole image by source, (C, h, w) in float16. They are sampled once, through the
    composition of all geometric transforms of the image.

    Args:
        transforms: Transforms of the pipeline; they are copied.
        store: Maps of every image.

    Raises:
        InputError: As :class:`Replay`; later, if a record of the store is missing, damaged or of another image.
    """

    def __init__(self, transforms: Sequence[Callable], store: MapStore) -> None:
        self.transforms = list(transforms)
        self.store = store
        self._steps = Replay(copy.deepcopy(self.transforms)).steps

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        index, name = int(results['sample_idx']), results.get('img_path') or ''
        origin, size = np.eye(3), None
        for step, rule in self._steps:
            if rule is None:
                packed = step(results)
            else:
                before = results['img'].shape[:2]
                size = size or before
                # mmcv's way to read the random draws of a transform again
                with cache_random_params(step):
                    packed = step(results)
                    origin = origin if packed is None else origin @ rule(step, before, packed)
            if packed is None:
                return None
            results = packed
        shape = tuple(results['inputs'].shape[-2:])
        maps = self.store.sample(index, name, size or shape, origin, shape)
        tensors = {source: torch.from_numpy(values) for source, values in maps.items()}
        results['data_samples'].set_data(dict(teacher_maps=BaseDataElement(**tensors)))
        return results
