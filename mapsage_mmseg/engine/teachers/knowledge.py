"""Measurement of a teacher's loss on training and on validation images."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ...datasets.leaves import leaves
from ...evaluation.knowledge import TeacherKnowledge
from ...metrics import TaskLoss


@torch.no_grad()
def teacher_knowledge(model: Any, config: Config, images: int) -> TeacherKnowledge | None:
    """Measures the teacher's loss; None if the data has no labelled pixels, or is not a plain data set of
    MMSegmentation.

    Args:
        model: A :class:`MultiLevelDistill` with its teacher.
        config: The run's config, as the user has it.
        images: Number of images of either data, evenly spread.
    """
    losses = []
    for loader in ('train_dataloader', 'val_dataloader'):
        settings = copy.deepcopy(next(iter(leaves(config[loader].dataset))))  # the first of several that are joined
        for key in ('unlabelled', 'keep_unlabelled'):  # images without labels are not measured
            settings.pop(key, None)
        settings['pipeline'] = config.val_dataloader.dataset.get('pipeline')
        dataset = DATASETS.build(settings) if settings['pipeline'] else None
        if not isinstance(dataset, BaseSegDataset):
            return None
        losses.append(_loss(model, dataset, images))
    training, validation = losses
    known = math.isfinite(training) and math.isfinite(validation)
    return TeacherKnowledge(training, validation, images) if known else None


def _loss(model: Any, dataset: BaseSegDataset, images: int) -> float:
    metric = TaskLoss()
    chosen = np.unique(np.linspace(0, len(dataset) - 1, images).round().astype(int))
    for index in chosen.tolist():
        sample: Mapping[str, Any] = dataset[index]
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        data = model.data_preprocessor(batch, False)
        predicted = model.teacher(data['inputs'], data['data_samples'], mode='predict')
        metric.process(None, [each.to_dict() for each in predicted])
    return metric.compute_metrics(metric.results)['task_loss']
