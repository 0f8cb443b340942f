"""Levels: what they refuse, what they record, what they compute."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.distillers import MultiLevelDistillLoss
from mapsage_mmseg.models.losses.logit_kl import logit_kl
from tests import tiny

LOGITS = dict(student='head', teacher='head', loss=dict(type='LogitKLLoss', temperature=2.0))


class Pair(nn.Module):
    """A backbone with two outputs, a head, and a module that never runs."""

    def __init__(self, channels):
        super().__init__()
        self.backbone = Twice(channels)
        self.head = nn.Conv2d(channels, 3, 1)
        self.spare = nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return self.head(self.backbone(x)[0])


class Twice(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        return x, x.mean(1)


def recorded(levels, names=None):
    distiller = MultiLevelDistillLoss(levels)
    torch.manual_seed(0)
    student, teacher = Pair(4), Pair(6)
    distiller.prepare_from_student(student)
    distiller.prepare_from_teacher(teacher)
    names = list(distiller.levels) if names is None else names
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad(), distiller.recording('teacher', names):
        teacher(x)
    with distiller.recording('student', names):
        student(x)
    return distiller, student, teacher, x


def test_a_term_is_the_loss_of_what_both_sides_gave():
    distiller, student, teacher, x = recorded(dict(distill=LOGITS))
    valid = torch.ones(2, 1, 8, 8)
    terms = distiller.compute_distill_losses(['distill'], valid)
    torch.testing.assert_close(terms['distill'], logit_kl(student(x), teacher(x), valid, 2.0))


def test_records_are_let_go_after_use():
    distiller, *_ = recorded(dict(distill=LOGITS))
    distiller.compute_distill_losses(['distill'], torch.ones(2, 1, 8, 8))
    for manager in (distiller.student_recorders, distiller.teacher_recorders):
        assert all(not recorder.data_buffer for recorder in manager.recorders.values())


def test_a_term_over_several_sources_is_their_mean():
    connector = dict(type='mmrazor.ConvModuleConnector', in_channel=4, out_channel=6, act_cfg=None)
    twice = dict(
        student=['backbone:0', 'backbone:0'],
        teacher=['backbone:0', 'backbone:0'],
        connector=connector,
        loss=dict(type='FeatureMSELoss'),
    )
    torch.manual_seed(1)
    distiller, *_ = recorded(dict(feature=twice))
    first, second = (distiller.connectors[f'feature:student:{i}'] for i in (0, 1))
    assert first is not second
    second.load_state_dict(first.state_dict())
    both = distiller.term('feature', torch.ones(2, 1, 8, 8))
    one = MultiLevelDistillLoss(dict(feature={**twice, 'student': 'backbone:0', 'teacher': 'backbone:0'}))
    one.connectors['feature:student:0'].load_state_dict(first.state_dict())
    one.student_recorders, one.teacher_recorders = distiller.student_recorders, distiller.teacher_recorders
    torch.testing.assert_close(both, one.term('feature', torch.ones(2, 1, 8, 8)))


def test_pairs_count_as_the_level_says():
    """0.25 of the first and 0.75 of the second."""
    pairs = dict(student=['head', 'backbone:0'], teacher=['head', 'backbone:0'], loss=dict(type='PatchSimilarityLoss'))
    valid = torch.ones(2, 1, 8, 8)
    distiller, *_ = recorded(dict(similar=dict(pairs, pair_weights=[1, 3])))
    one, two = (
        recorded(dict(similar=dict(student=source, teacher=source, loss=pairs['loss'])))[0].term('similar', valid)
        for source in pairs['student']
    )
    torch.testing.assert_close(distiller.term('similar', valid), 0.25 * one + 0.75 * two)


def test_only_the_levels_that_are_asked_for_record():
    levels = dict(
        distill=LOGITS, other=dict(student='backbone:0', teacher='backbone:0', loss=dict(type='FeatureMSELoss'))
    )
    distiller, *_ = recorded(levels, names=['distill'])
    assert distiller.student_recorders.get_recorder('head').data_buffer
    assert not distiller.student_recorders.get_recorder('backbone').data_buffer


def test_one_temperature_reaches_every_loss_that_has_one():
    distiller = MultiLevelDistillLoss(dict(a=LOGITS, b=LOGITS, c={**LOGITS, 'loss': dict(type='FeatureMSELoss')}))
    distiller.temperature = 5.5
    assert [loss.temperature for loss in (distiller.distill_losses.loss_a, distiller.distill_losses.loss_b)] == [
        5.5,
        5.5,
    ]
    assert distiller.temperature == 5.5
    assert MultiLevelDistillLoss(dict(c={**LOGITS, 'loss': dict(type='FeatureMSELoss')})).temperature is None


def test_any_mmrazor_loss_of_two_tensors_will_do_and_sees_contiguous_ones():
    level = {**LOGITS, 'loss': dict(type='mmrazor.ChannelWiseDivergence', tau=2.0)}
    distiller, student, teacher, x = recorded(dict(distill=level))
    for manager in (distiller.student_recorders, distiller.teacher_recorders):
        recorder = manager.get_recorder('head')
        recorder.data_buffer[0] = recorder.data_buffer[0].to(memory_format=torch.channels_last)
    term = distiller.term('distill', torch.ones(2, 1, 8, 8))
    torch.testing.assert_close(term, distiller.distill_losses.loss_distill(student(x), teacher(x)))


@pytest.mark.parametrize(
    ('level', 'message'),
    [
        (3, r'levels\.x=3 must be a dict'),
        (dict(teacher='head', loss=dict(type='LogitKLLoss')), r'levels\.x\.student is missing'),
        ({**LOGITS, 'los': 1}, r"levels\.x\.los is unknown; did you mean 'loss'"),
        ({**LOGITS, 'student': 7}, r'levels\.x\.student=7 must be a module path'),
        ({**LOGITS, 'student': []}, r'levels\.x\.student=\[\]'),
        ({**LOGITS, 'student': 'head:last'}, r"'head:last': behind the colon"),
        ({**LOGITS, 'student': ['head', 'head']}, r'2 student and 1 teacher sources'),
        ({**LOGITS, 'pair_weights': [1, 2]}, r'levels\.x\.pair_weights=\[1, 2\] must be a list of 1 numbers'),
        ({**LOGITS, 'pair_weights': [0]}, r'not all of them 0'),
        ({**LOGITS, 'loss': 'LogitKLLoss'}, r"levels\.x\.loss='LogitKLLoss' must be a dict with a type"),
        ({**LOGITS, 'connector': [dict(type='mmrazor.ConvModuleConnector')] * 2}, r'2 connectors for 1 sources'),
        ({**LOGITS, 'loss': dict(type='mmrazor.ChannelWiseDivergence', loss_weight=3.0)}, r'loss_weight must be 1'),
        ({**LOGITS, 'loss': dict(type='mmrazor.DKDLoss')}, r'levels\.x\.loss: DKDLoss\.forward takes'),
        ({**LOGITS, 'loss': dict(type='mmrazor.OnehotLikeLoss')}, r'levels\.x\.loss: OnehotLikeLoss\.forward takes'),
    ],
)
def test_a_level_that_is_written_wrongly_is_refused_by_name(level, message):
    with pytest.raises(InputError, match=message):
        MultiLevelDistillLoss(dict(x=level))


@pytest.mark.parametrize('name', ['task', 'a.b', 'a-b'])
def test_names_that_a_level_cannot_have(name):
    with pytest.raises(InputError, match='levels'):
        MultiLevelDistillLoss({name: LOGITS})


def test_an_unknown_module_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"levels\.x\.student='haed'.*nearest: head"):
        recorded(dict(x={**LOGITS, 'student': 'haed'}))


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('spare', r"levels\.x\.student='spare' recorded nothing"),
        ('backbone:2', r'gives 2 output\(s\), so index 2 does not exist'),
        ('head:0', r'gives a single one output\(s\)'),
        ('backbone', r"recorded tuple, not a tensor.*'backbone:0'"),
    ],
)
def test_a_source_that_gives_no_tensor_is_an_error_that_names_the_level(source, message):
    distiller, *_ = recorded(dict(x={**LOGITS, 'student': source}))
    with pytest.raises(InputError, match=message):
        distiller.compute_distill_losses(['x'], torch.ones(2, 1, 8, 8))


def test_a_misspelt_level_is_not_switched_off_in_silence():
    with pytest.raises(InputError, match="levels.attenton=None switches nothing off, 'attention' is on"):
        MultiLevelDistillLoss({**tiny.levels(), 'attenton': None})


def test_a_level_set_to_none_is_declared_and_off():
    distiller = MultiLevelDistillLoss(dict(distill=LOGITS, attention=None))
    assert distiller.declared == ('distill', 'attention')
    assert list(distiller.levels) == ['distill']


def test_the_config_of_all_three_levels_builds():
    assert set(MODELS.build(tiny.distill().distiller).levels) == {'distill', 'feature', 'attention'}
