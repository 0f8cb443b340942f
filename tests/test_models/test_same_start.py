"""A seed's arms start from the same student, whatever they learn from."""

import random

import numpy as np
import pytest
import torch
from mmengine.runner import set_random_seed
from mmseg.registry import MODELS

from tests import tiny


def started(config, seed=5):
    """Weights as a Runner first has them."""
    set_random_seed(seed)
    model = MODELS.build(config)
    model.init_weights()
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize('balance', [None, 'gradnorm'])
@pytest.mark.parametrize('off', [(), ('feature',), ('attention', 'distill')])
def test_a_student_starts_as_its_control_does(off, balance):
    control = started({**tiny.student(), 'data_preprocessor': tiny.PREPROCESSOR})
    config = tiny.distill(**dict.fromkeys(off))
    config.balance = balance
    distilled = started(config)
    for name, value in control.items():
        assert torch.equal(distilled[f'architecture.{name}'], value), name


def test_connectors_follow_the_seed_and_are_not_the_student():
    first, again, other = (started(tiny.distill(), seed) for seed in (5, 5, 6))
    names = [name for name in first if 'connectors' in name and first[name].ndim == 4]
    assert len(names) == 4
    for name in names:
        assert torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name])


def test_what_is_drawn_next_does_not_depend_on_the_levels():
    set_random_seed(5)
    MODELS.build({**tiny.student(), 'data_preprocessor': tiny.PREPROCESSOR})
    wanted = torch.rand(3), np.random.rand(), random.random()
    set_random_seed(5)
    MODELS.build(tiny.distill())
    drawn = torch.rand(3), np.random.rand(), random.random()
    assert torch.equal(wanted[0], drawn[0]) and wanted[1:] == drawn[1:]
