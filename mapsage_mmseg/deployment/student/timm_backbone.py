"""Conversion of EfficientNet-Lite to MMSegmentation's timm backbone: the same layers and weights, other names."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import InputError
from ...models.backbones.efficientnet_lite import MEAN, STD
from .student import Student

OWN, STOCK = 'EfficientNetLite', 'TIMMBackbone'
MODEL = 'tf_efficientnet_'  # timm's name, followed by the variant
PREFIX, INSIDE = 'backbone.', 'backbone.timm_model.'
STATISTICS = dict(mean=[MEAN] * 3, std=[STD] * 3)
MAPS = (1, 2, 3, 4)  # of timm's five feature maps: strides 4, 8, 16 and 32


def to_timm(student: Student) -> Student:
    """Replaces our backbone by timm's; returns any other student unchanged.

    Our backbone converts ImageNet's normalisation to the one that its weights were trained with. timm's does not, so
    the data preprocessor does it. The logits differ only by rounding and, if an image is padded to a multiple of 32, by
    the colour of the padding.

    Raises:
        InputError: The backbone does not take three bands.
    """
    backbone: Mapping[str, Any] = student.model.backbone
    if _name(backbone) != OWN:
        return student
    if backbone.get('in_channels', 3) != 3:
        raise InputError(
            f'model.backbone.in_channels={backbone["in_channels"]}: stock MMSegmentation loads three bands'
        )
    model = copy.deepcopy(student.model)
    name = f'{MODEL}{backbone.get("variant", "lite0")}'
    model.backbone = dict(type=STOCK, model_name=name, features_only=True, pretrained=False, out_indices=MAPS)
    if backbone.get('input_mean', STATISTICS) is not None:  # else images are normalised as the weights need it
        model.data_preprocessor.update(copy.deepcopy(STATISTICS))
    return replace(student, model=model, weights=_renamed(student.weights, PREFIX, INSIDE))


def from_timm(student: Student) -> Student:
    """Reverses :func:`to_timm`, to build an exported student without timm."""
    backbone: Mapping[str, Any] = student.model.get('backbone') or {}
    name = str(backbone.get('model_name'))
    if _name(backbone) != STOCK or not name.startswith(MODEL) or not backbone.get('features_only'):
        return student
    model = copy.deepcopy(student.model)
    model.backbone = dict(type=OWN, variant=name.removeprefix(MODEL), input_mean=None, input_std=None)
    return replace(student, model=model, weights=_renamed(student.weights, INSIDE, PREFIX))


def needs_timm(student: Student) -> bool:
    """Returns whether MMSegmentation builds the student with timm."""
    return _name(student.model.get('backbone') or {}) == STOCK


def _name(backbone: Mapping[str, Any]) -> str:
    kind = backbone.get('type', '')
    return str(getattr(kind, '__name__', kind)).split('.')[-1]


def _renamed(weights: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    return {
        f'{after}{name.removeprefix(before)}' if name.startswith(before) else name: value
        for name, value in weights.items()
    }
