"""What a config leaves to the student: channels of connectors, and another level where a module is missing."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.distillers import fitting
from mapsage_mmseg.models.distillers.fitting import fit_levels
from tests import tiny

AUTO = dict(type='mmrazor.ConvModuleConnector', in_channel='auto', out_channel=32)
MSE = dict(type='FeatureMSELoss')


@pytest.fixture(scope='module')
def student():
    return MODELS.build(tiny.student()).train()


def feature(source='backbone:3', connector=AUTO):
    return dict(student=source, teacher=source, loss=MSE, connector=connector)


def test_channels_are_those_of_what_a_connector_reads(student):
    sources = ['backbone:0', 'backbone:3', 'decode_head.fusion_conv']
    fixed = dict(AUTO, in_channel=5)
    levels = dict(feature=dict(student=sources, teacher=sources, loss=MSE, connector=[AUTO, fixed, AUTO]))
    fitted = fit_levels(levels, student)
    assert [each['in_channel'] for each in fitted['feature']['connector']] == [8, 5, 16]
    assert levels['feature']['connector'][0]['in_channel'] == 'auto'
    one = fit_levels(dict(feature=dict(student=sources[:2], teacher=sources[:2], loss=MSE, connector=AUTO)), student)
    assert [each['in_channel'] for each in one['feature']['connector']] == [8, 64]


def test_measuring_leaves_the_student_as_it_was(student):
    before = {key: value.clone() for key, value in student.state_dict().items()}
    state = torch.get_rng_state()
    fit_levels(dict(feature=feature()), student)
    assert student.training and all(module.training for module in student.modules())
    assert not any(module._forward_hooks for module in student.modules())
    assert all(torch.equal(before[key], value) for key, value in student.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_runs_where_nothing_is_asked_for(student, monkeypatch):
    monkeypatch.setattr(student, 'forward', lambda *_, **__: pytest.fail('ran'))
    levels = dict(feature=feature(connector=dict(AUTO, in_channel=64)), attention=None)
    assert fit_levels(levels, student) == levels


def test_a_fallback_stands_in_where_the_student_lacks_the_module(student, monkeypatch):
    said = []
    monkeypatch.setattr(fitting, 'print_log', lambda line, *_: said.append(line))
    activation = dict(student='backbone:3', teacher='backbone:3', loss=dict(type='ActivationAttentionLoss'))
    rows = dict(teacher='backbone:3', loss=dict(type='AttentionKLLoss'), fallback=activation)
    here = dict(rows, student='backbone.layers.3.1.0.attn.attn:1')
    fitted = fit_levels(dict(attention=here), student)
    assert fitted == dict(attention={key: value for key, value in here.items() if key != 'fallback'})
    gone = dict(rows, student='backbone.stages.3:1')
    assert fit_levels(dict(attention=gone), student) == dict(attention=activation)
    (line,) = said
    assert "no 'backbone.stages.3'; its fallback stands in: ActivationAttentionLoss" in line
    assert fit_levels(dict(attention=dict(gone, fallback=None)), student) == dict(attention=None)


def test_a_fallback_may_ask_for_channels_too(student):
    gone = dict(student='backbone.nothing', teacher='backbone:3', loss=MSE, fallback=feature('backbone:2'))
    assert fit_levels(dict(feature=gone), student)['feature']['connector'][0]['in_channel'] == 32


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('backbone.layerz', "levels.feature.student='backbone.layerz': the student"),
        ('backbone', "'backbone' gives no feature map .* in_channel='auto'; give the number"),
        ('backbone:9', "'backbone:9' gives no feature map"),
    ],
)
def test_a_source_without_channels_is_refused(student, source, message):
    with pytest.raises(InputError, match=message):
        fit_levels(dict(feature=feature(source)), student)


def test_a_student_that_cannot_run_is_named():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Conv2d(4, 8, 1)

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return self.backbone(inputs)

    with pytest.raises(InputError, match='model.architecture: its forward fails on 128 x 128 pixels'):
        fit_levels(dict(feature=feature('backbone')), Broken())
