"""FLOPs: worked out by hand, and a model that is left as it was."""

import copy

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mapsage_mmseg.engine.runs.flops import crop_size, forward_gflops
from tests import tiny


class Small(nn.Module):
    """A convolution and attention over its pixels, with a dropout and a statistic that training would move."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm, self.drop = nn.BatchNorm2d(8), nn.Dropout(0.5)

    def forward(self, inputs, samples, mode):
        tokens = self.drop(self.norm(self.conv(inputs))).flatten(2).transpose(1, 2)[:, None]
        return F.scaled_dot_product_attention(tokens, tokens, tokens)


def test_by_hand():
    pixels = 16 * 32
    convolution = 2 * 3 * 3 * 3 * 8 * pixels
    attention = 2 * (2 * 8 * pixels * pixels)  # scores, and their product with the values
    assert forward_gflops(Small(), (16, 32)) == pytest.approx((convolution + attention) / 1e9, abs=1e-4)


@pytest.mark.parametrize('build', [Small, lambda: MODELS.build(tiny.student()), lambda: MODELS.build(tiny.teacher())])
def test_nothing_moves(build):
    model = build()
    model.train()
    next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    modes, state = [module.training for module in model.modules()], copy.deepcopy(model.state_dict())
    drawn = torch.get_rng_state()
    assert forward_gflops(model, (64, 64)) > 0
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_twice_the_side_is_four_times_the_work_of_a_convolution():
    model = MODELS.build(tiny.teacher())
    small, large = (forward_gflops(model, (side, side)) for side in (64, 128))
    assert large == pytest.approx(4 * small, rel=0.1)


def test_a_model_without_such_a_forward_has_no_figure():
    assert forward_gflops(nn.Linear(3, 3), (8, 8)) is None


def test_a_crop_is_as_the_preprocessor_has_it():
    assert crop_size(MODELS.build(tiny.student())) == (64, 64)
    assert crop_size(MODELS.build({**tiny.student(), 'data_preprocessor': dict(type='SegDataPreProcessor')})) == (
        128,
        128,
    )
