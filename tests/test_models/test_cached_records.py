"""Maps from the batch in the place of the teacher's records."""

import pytest
import torch
from mmengine.structures import BaseDataElement
from mmseg.registry import MODELS

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.segmentors.cached_records import cached_records
from tests import tiny
from tests.test_models.test_multi_level_distill import batch

LOGITS, SCALES = 'decode_head.conv_seg', [f'backbone:{i}' for i in range(4)]


def model(cache, **changes):
    torch.manual_seed(0)
    model = MODELS.build(dict(tiny.distill(**changes), teacher_cache=cache))
    model.init_weights()
    model.build_teacher().init_weights()
    return model.eval()  # no dropout: two calls of loss() agree


def live_records(model, inputs, samples, levels):
    model.run_teacher(inputs, samples, levels)
    records = model.distiller.records('teacher', levels)
    model.distiller.forget()
    return records


def give(samples, records):
    for i, sample in enumerate(samples):
        sample.set_data(dict(teacher_maps=BaseDataElement(**{key: value[i] for key, value in records.items()})))


def test_served_from_the_batch_terms_are_those_of_the_live_teacher_which_does_not_run():
    pair = model('float16')
    pair.set_loss_weights(dict(task=1.0, distill=1.0, feature=1.0))
    inputs, samples = batch()
    live = pair.loss(inputs, samples)
    give(samples, live_records(pair, inputs, samples, ['distill', 'feature']))
    runs = []
    pair.teacher.register_forward_hook(lambda *arguments: runs.append(1))
    pair.cached_sources = {LOGITS: 4, **dict(zip(SCALES, (4, 8, 16, 32), strict=True))}
    served = pair.loss(inputs, samples)
    assert runs == []
    for name in ('distill', 'feature'):
        torch.testing.assert_close(served[name], live[name])
        assert served[name].requires_grad


def test_a_connector_behind_the_teacher_takes_maps_in_half_precision():
    feature = tiny.levels()['feature']
    stays = [
        dict(type='mmrazor.ConvModuleConnector', in_channel=c, out_channel=c, act_cfg=None) for c in (8, 16, 32, 32)
    ]
    pair = model('float16', feature=dict(feature, teacher_connector=stays))
    pair.set_loss_weights(dict(task=1.0, feature=1.0))
    inputs, samples = batch()
    live = pair.loss(inputs, samples)
    records = live_records(pair, inputs, samples, ['feature'])
    give(samples, {key: value.half() for key, value in records.items()})
    pair.cached_sources = dict(zip(SCALES, (4, 8, 16, 32), strict=True))
    torch.testing.assert_close(pair.loss(inputs, samples)['feature'], live['feature'], atol=1e-3, rtol=1e-3)


def test_where_one_level_is_missing_from_it_the_teacher_runs_and_all_are_live():
    pair = model('float16')
    pair.set_loss_weights(dict(task=1.0, distill=1.0, attention=1.0))
    inputs, samples = batch()
    live = pair.loss(inputs, samples)
    give(samples, {LOGITS: torch.full((2, 7, 16, 16), 9.0)})  # would change the term, were it used
    pair.cached_sources = {LOGITS: 4}
    runs = []
    pair.teacher.register_forward_hook(lambda *arguments: runs.append(1))
    mixed = pair.loss(inputs, samples)
    assert runs == [1]
    torch.testing.assert_close(mixed['distill'], live['distill'])
    torch.testing.assert_close(mixed['attention'], live['attention'])


def test_served_records_are_let_go_of_with_the_step():
    pair = model('float16', feature=None, attention=None)
    pair.set_loss_weights(dict(task=1.0, distill=1.0))
    inputs, samples = batch()
    give(samples, {LOGITS: torch.zeros(2, 7, 16, 16)})
    pair.cached_sources = {LOGITS: 4}
    pair.loss(inputs, samples)
    with pytest.raises(InputError, match='recorded nothing'):
        pair.distiller.records('teacher', ['distill'])
    pair.cached_sources = {}
    torch.testing.assert_close(pair.loss(inputs, samples)['distill'], pair.loss(inputs, samples)['distill'])


def test_an_image_that_was_padded_has_its_edge_go_on_under_the_padding():
    _, samples = batch()
    maps = torch.arange(24.0).reshape(2, 3, 4)
    samples[0].set_data(dict(teacher_maps=BaseDataElement(head=maps)))
    samples[1].set_data(dict(teacher_maps=BaseDataElement(head=torch.zeros(2, 5, 6))))
    found = cached_records(samples, dict(head=4), (20, 24))['head']
    assert found.shape == (2, 2, 5, 6)
    assert torch.equal(found[0, :, :3, :4], maps)
    assert torch.equal(found[0, :, 4, 5], maps[:, 2, 3])


def test_a_batch_without_maps_is_an_error():
    with pytest.raises(InputError, match='carries no teacher_maps'):
        cached_records(batch()[1], dict(head=4), (64, 64))


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('float32', r"model\.teacher_cache='float32' must be None, 'float16', 'top8'"),
        ('top0', 'must be None'),
        (8, 'must be None'),
        (dict(kep='float16'), 'must be None'),
        (dict(levels=['distil']), r'levels=\[.distil.\] must name levels that are on: distill, feature, attention'),
        (dict(levels=[]), 'must name levels'),
    ],
)
def test_settings_that_make_no_sense_are_refused(value, message):
    with pytest.raises(InputError, match=message):
        MODELS.build(dict(tiny.distill(), teacher_cache=value))
