"""Inference optimisations of a frozen teacher that keep its outputs."""

import torch
from mmseg.structures import SegDataSample

from ..normalisation import channels
from .folding import fold_batch_norms
from .multi_level_distill import MultiLevelDistill
from .packed import pack_weights


def freeze_teacher(model: MultiLevelDistill, size: tuple[int, int] = (128, 128)) -> None:
    """Folds the teacher's batch norms into its convolutions and, on a CPU, stores its weights in oneDNN's layout.

    The recorded outputs change by rounding only.

    Args:
        model: The model, with the teacher built and its weights loaded.
        size: Image size in pixels, as in training.
    """
    device = next(model.teacher.parameters()).device
    inputs = torch.randn((2, channels(model.data_preprocessor), *size), generator=torch.Generator().manual_seed(0)).to(
        device
    )
    samples = [SegDataSample(metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size)) for _ in inputs]
    recorded = {source.module for level in model.distiller.levels.values() for source in level.teacher}
    fold_batch_norms(model.teacher, lambda: model.teacher(inputs, samples, mode='tensor'), recorded)
    if device.type == 'cpu':
        model.teacher.to(memory_format=torch.channels_last)  # for the convolutions that cannot be packed
        pack_weights(model.teacher)
