"""How much a teacher says that the labels do not: its loss on the images it was trained on, and on others."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..metrics import TaskLoss

BY_HEART = 0.5  # of the loss on other images: below it a teacher repeats the labels of its own


@dataclass(frozen=True)
class TeacherKnowledge:
    """Mean cross-entropy of a teacher, nats a labelled pixel, over whole images as in validation.

    Attributes:
        training: On images that the student trains on.
        validation: On images of the validation.
        images: Of each at most.
    """

    training: float
    validation: float
    images: int

    @property
    def by_heart(self) -> bool:
        """Whether it knows the training images so much better that, there, it says little but their labels."""
        return self.training < BY_HEART * self.validation

    def line(self) -> str:
        """In words."""
        said = (
            f"The teacher's cross-entropy: {self.training:.4f} on training images, {self.validation:.4f} on validation "
            f'images ({self.images} of each at most)'
        )
        if not self.by_heart:
            return f'{said}; what it says of training images is not only their labels'
        return (
            f'{said}: it has learned its training images by heart, and says little of them that their labels do not. '
            'Tiles without labels (configs/distill/best_unlabelled.py) are where it can tell more'
        )


@torch.no_grad()
def teacher_knowledge(model: Any, config: Config, images: int) -> TeacherKnowledge | None:
    """Measures it; None where the data has no labelled pixels, or is no plain data set of MMSegmentation.

    Args:
        model: A :class:`MultiLevelDistill` with its teacher.
        config: Of the run, as the user has it.
        images: Spread evenly over either data.
    """
    losses = []
    for loader in ('train_dataloader', 'val_dataloader'):
        settings = copy.deepcopy(config[loader].dataset)
        settings.pipeline = config.val_dataloader.dataset.get('pipeline')
        dataset = DATASETS.build(settings) if settings.pipeline else None
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
