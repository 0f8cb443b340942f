"""Checked access to the fields of a data sample.

Metrics keep exactly one small tensor per sample, in order. MMEngine interleaves the ranks' lists and cuts off the
samples that the distributed sampler padded, which only works with one result per sample. So a sample that lacks an
optional field gives an empty tensor (``ABSENT``).

The default ``collect_device`` is 'gpu', which in MMEngine means 'over the process group', including gloo on CPUs. With
'cpu', results are exchanged through files in the current folder, which several machines would have to share.
"""

import torch
from torch import Tensor

from ..errors import InputError

ABSENT = torch.zeros(0)


def check_ignore_index(ignore_index: int) -> int:
    """Returns ``ignore_index`` if it is an integer.

    Raises:
        InputError: It is not an integer.
    """
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
        raise InputError(f'ignore_index={ignore_index!r}: an integer label value is needed, 255 in most data sets')
    return ignore_index


def sample_name(sample: dict) -> str:
    """Returns the name of a sample for error messages: the path of its image, if known."""
    return str(sample.get('img_path', 'a sample without img_path'))


def class_names(dataset_meta: dict | None, metric: str) -> tuple[str, ...]:
    """Returns the class names that the data set declares.

    Raises:
        InputError: The data set declares none.
    """
    names = (dataset_meta or {}).get('classes')
    if not names:
        raise InputError(f'{metric}: the data set declares no classes: its METAINFO (or metainfo=) must name them')
    return tuple(names)


def label_of(sample: dict, device: torch.device, num_classes: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Returns the label (H, W), int64, and its valid pixels (H, W), bool, on ``device``.

    Raises:
        InputError: The sample has no label, or the label has a value that is neither a class nor ``ignore_index``.
    """
    if 'gt_sem_seg' not in sample:
        raise InputError(
            f'{sample_name(sample)}: no label: the validation pipeline needs LoadRasterLabel or LoadAnnotations'
        )
    label = _indices(sample['gt_sem_seg']['data']).to(device)
    valid = label != ignore_index
    _check_range(label, valid, num_classes, f'label of {sample_name(sample)}')
    return label, valid


def prediction_and_label(sample: dict, key: str, num_classes: int, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns prediction and label, each (H, W), int64, and the valid pixels (H, W), bool, on the prediction's device.

    Args:
        sample (dict): A data sample as MMEngine's Evaluator passes it to a metric.
        key (str): The field with the prediction, (1, H, W).
        num_classes (int): Number of classes.
        ignore_index (int): Label value that does not count.

    Raises:
        InputError: A field is missing, their sizes differ, or a value is outside the classes.
    """
    if key not in sample:
        raise InputError(f'{sample_name(sample)}: no {key}: the model must return its prediction')
    prediction = _indices(sample[key]['data'])
    label, valid = label_of(sample, prediction.device, num_classes, ignore_index)
    if prediction.shape != label.shape:
        raise InputError(
            f'{sample_name(sample)}: {key} is {tuple(prediction.shape)}, its label {tuple(label.shape)} (H, W): in the '
            'pipeline of the validation data, LoadAnnotations belongs after Resize'
        )
    _check_range(prediction, valid, num_classes, f'{key} of {sample_name(sample)}')
    return prediction, label, valid


def present(results: list[Tensor], key: str) -> list[Tensor]:
    """Returns the results of the samples with field ``key``: all of them, or an empty list.

    Raises:
        InputError: Only some samples have the field; a score over these would be mistaken for one over the whole set.
    """
    found = [result for result in results if result.numel()]
    if found and len(found) != len(results):
        raise InputError(f'{key}: {len(found)} of {len(results)} samples have this field; all or none must have it')
    return found


def percent(ratio: Tensor) -> float:
    """Returns a ratio in percent, rounded to two decimals like those of MMSegmentation's IoUMetric. NaN stays NaN."""
    return round(float(ratio) * 100, 2)


def _indices(data: Tensor) -> Tensor:
    """Converts (1, H, W) to (H, W), int64 (a one-channel head predicts floats of 0 and 1)."""
    return data.reshape(data.shape[-2:]).long()


def _check_range(indices: Tensor, valid: Tensor, num_classes: int, what: str) -> None:
    """Checks that the class indices of valid pixels are in [0, num_classes)."""
    low, high = torch.aminmax(torch.where(valid, indices, 0))
    for value in (int(low), int(high)):
        if not 0 <= value < num_classes:
            raise InputError(f'{what}: class index {value}, but the classes are 0 to {num_classes - 1}')
