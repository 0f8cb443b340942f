"""The rehearsal: one line for what would have failed later, and nothing left behind."""

import copy

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmseg.registry import METRICS
from PIL import Image

from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover
from mapsage_mmseg.engine.rehearsal import rehearse, smallest_and_largest
from mapsage_mmseg.errors import InputError
from tests import runs


@METRICS.register_module()
class Fails(BaseMetric):
    """A metric that cannot add up what it saw."""

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        raise ZeroDivisionError('nothing to divide by')


@METRICS.register_module()
class Strange(Fails):
    """A metric whose result is no number."""

    def compute_metrics(self, results):
        return {'mIoU': object()}


def test_a_sound_run_passes_and_is_left_as_it_was(tmp_path):
    cfg = runs.config(tmp_path, epochs=2)
    before, kept = copy.deepcopy(cfg.to_dict()), list(tmp_path.rglob('*'))
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(2), np.random.rand(2)
    torch.manual_seed(3)
    np.random.seed(3)
    hubs, logs = dict(MessageHub._instance_dict), dict(MMLogger._instance_dict)
    assert rehearse(cfg, 'student') > 0
    assert torch.equal(torch.rand(2), expected[0]) and (np.random.rand(2) == expected[1]).all()
    assert cfg.to_dict() == before and list(tmp_path.rglob('*')) == kept
    assert dict(MessageHub._instance_dict) == hubs and dict(MMLogger._instance_dict) == logs


@pytest.mark.slow
def test_a_rehearsed_run_ends_as_one_that_was_not(tmp_path):
    weights = []
    for name in ('plain', 'rehearsed'):
        cfg = runs.config(tmp_path, name=name, epochs=1)
        if name == 'rehearsed':
            rehearse(cfg, 'student')
        runner = Runner.from_cfg(cfg)
        runner.train()
        weights.append(runner.model.state_dict())
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def spoil(cfg, key, value):
    *path, last = key.split('.')
    node = cfg
    for part in path:
        node = node[part]
    node[last] = value
    return cfg


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('model.architecture.decode_head.in_index', [0, 1, 2, 9], 'model.architecture: its forward fails'),
        ('model.architecture.decode_head.loss_decode', dict(type='FocalLoss'), 'a training step of the student fails'),
        (
            'val_evaluator',
            [dict(type='Fails')],
            'a metric of the student fails: ZeroDivisionError: nothing to divide by',
        ),
        ('val_evaluator', [dict(type='Strange')], 'the record of the student fails'),
        ('optim_wrapper.optimizer.betas', 3, 'config, optim_wrapper: TypeError'),
        ('default_hooks.panels.images', 'many', 'rehearsal: default_hooks.panels of the student fails'),
    ],
)
def test_what_would_fail_later_fails_in_one_line(tmp_path, key, value, said):
    cfg = spoil(runs.config(tmp_path, epochs=2), key, value)
    with pytest.raises(InputError) as caught:
        rehearse(cfg, 'student')
    assert said in str(caught.value) and '\n' not in str(caught.value)


def test_a_batch_norm_that_sees_one_value_says_what_it_needs(tmp_path):
    cfg = runs.config(tmp_path, epochs=2)
    cfg.train_dataloader.batch_size = 1
    head = dict(type='PSPHead', in_channels=64, in_index=3, channels=8, pool_scales=(1,), num_classes=7)
    cfg.model.architecture.decode_head = dict(head, norm_cfg=dict(type='BN'), loss_decode=dict(type='CrossEntropyLoss'))
    with pytest.raises(InputError, match='needs two images a step: raise train_dataloader.batch_size'):
        rehearse(cfg, 'student')


def test_the_smallest_and_the_largest_image(tmp_path):
    sizes = [(40, 40), (12, 90), (60, 50), (40, 41)]
    for number, (height, width) in enumerate(sizes):
        for kind, shape in (('img_dir', (height, width, 3)), ('ann_dir', (height, width))):
            file = tmp_path / kind / 'val' / f'{number}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros(shape, np.uint8)).save(file)
    (tmp_path / 'dataset.yaml').write_text('name: x\nclasses: [a, b]\n')
    assert smallest_and_largest(FolderLandCover(str(tmp_path), 'val')) == [1, 2]


def test_a_cache_of_the_teacher_over_a_wrapper_fails_before_the_teacher_is_trained(tmp_path):
    cfg = runs.config(tmp_path, epochs=2)
    cfg.model.teacher_cache = {}
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[cfg.train_dataloader.dataset])
    with pytest.raises(InputError, match='model.teacher_cache: train_dataloader.dataset is ConcatDataset'):
        rehearse(cfg, 'student')
