"""Several segmentors as one: their mean, over members and views."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.segmentors.frozen_teacher import freeze_teacher
from mapsage_mmseg.weights_file import load_whole
from tests import runs, tiny


def ensemble(*members, views=1):
    torch.manual_seed(0)
    members = members or (tiny.student(), tiny.teacher())
    return MODELS.build(
        dict(type='SegmentorEnsemble', members=members, views=views, data_preprocessor=tiny.PREPROCESSOR)
    ).eval()


def images(height=64, width=64):
    return torch.randn((2, 3, height, width), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_it_is_the_mean_of_its_members_probabilities():
    model = ensemble()
    first, second = (member(images(), mode='tensor').softmax(1) for member in model.members)
    second = torch.nn.functional.interpolate(second, first.shape[2:], mode='bilinear', align_corners=False)
    assert torch.allclose(model(images(), mode='tensor').exp(), (first + second) / 2, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize('views', [1, 2, 4, 8])
def test_what_it_says_turns_and_mirrors_with_the_image_as_far_as_it_has_views(views):
    model = ensemble(tiny.student(), views=views)
    said = model(images(), mode='tensor')
    mirrored = model(images().flip(3), mode='tensor').flip(3)
    turned = torch.rot90(model(torch.rot90(images(), 1, (2, 3)), mode='tensor'), -1, (2, 3))
    assert torch.allclose(said, mirrored, atol=1e-4) == (views in (2, 8))
    assert torch.allclose(said, turned, atol=1e-4) == (views in (4, 8))


@torch.no_grad()
def test_one_member_and_one_view_are_that_member():
    model = ensemble(tiny.student())
    alone = model.members[0](images(64, 96), mode='tensor')
    assert torch.allclose(model(images(64, 96), mode='tensor').softmax(1), alone.softmax(1), atol=1e-6)


@torch.no_grad()
def test_one_member_loads_that_segmentors_own_file():
    model, other = ensemble(tiny.student()), MODELS.build(tiny.student())
    load_whole(model, other.state_dict(), 'file')
    assert torch.equal(model.members[0].decode_head.conv_seg.weight, other.decode_head.conv_seg.weight)
    load_whole(model, model.state_dict(), 'file')
    with pytest.raises(InputError, match='unexpected'):
        load_whole(ensemble(), other.state_dict(), 'file')


@torch.no_grad()
def test_it_predicts_whole_images_of_any_shape():
    model = ensemble(tiny.student(), views=8)
    sample = SegDataSample(metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96), padding_size=(0, 0, 0, 0)))
    (found,) = model(images(64, 96)[:1], [sample], mode='predict')
    assert found.pred_sem_seg.data.shape == (1, 64, 96) and found.seg_logits.data.shape == (7, 64, 96)
    expected = model.encode_decode(images(64, 96)[:1], None).argmax(1)
    assert torch.equal(found.pred_sem_seg.data, expected)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(members=[]), r'members=\[\]; expected the configs'),
        (dict(members=[tiny.student()], views=3), 'views=3; expected 1, 2, 4, 8'),
        (dict(members=[tiny.student(7), tiny.student(5)]), 'members of 7, 5 classes; expected the same'),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        MODELS.build(dict(type='SegmentorEnsemble', **settings))


def test_it_is_not_trained():
    with pytest.raises(InputError, match='train its members, each by itself'):
        ensemble().loss(images(), [])


@torch.no_grad()
@pytest.mark.parametrize('views', [1, 4])
def test_as_a_frozen_teacher_it_says_what_it_said(views, tmp_path):
    settings = ConfigDict(
        type='SegmentorEnsemble',
        members=[tiny.teacher(), tiny.student()],
        views=views,
        data_preprocessor=tiny.PREPROCESSOR,
    )
    model = MODELS.build({**runs.config(tmp_path).model, 'teacher': settings, 'distiller': LOGITS})
    teacher = model.build_teacher()
    before = teacher(images(), mode='tensor')
    freeze_teacher(model, (64, 64))
    assert torch.allclose(teacher(images(), mode='tensor'), before, atol=1e-4)
    model.run_teacher(images(), None, ['distill'])
    (record,) = model.distiller.records('teacher', ['distill']).values()
    assert torch.allclose(record, before, atol=1e-4)


LOGITS = dict(
    type='MultiLevelDistillLoss',
    levels=dict(
        distill=dict(student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=dict(type='LogitKLLoss'))
    ),
)
