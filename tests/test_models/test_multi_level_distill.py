"""The segmentor: terms, weights, and a teacher that nobody sees."""

import copy
import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.segmentors.probe import probe_levels
from tests import tiny

WEIGHTS = dict(task=0.6, distill=0.3, feature=0.1, attention=0.05)


def batch(ignored=False, size=64):
    torch.manual_seed(3)
    samples = []
    for i in range(2):
        label = torch.full((1, size, size), 255) if ignored else torch.randint(0, 7, (1, size, size))
        meta = dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size), img_path=f'image{i}')
        samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label)))
    return torch.randn(2, 3, size, size), samples


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = MODELS.build(tiny.distill())
    model.init_weights()
    model.build_teacher().init_weights()
    return model.train()


def test_terms_are_unweighted_and_weighted_once(model):
    model.set_loss_weights(WEIGHTS)
    losses = model.loss(*batch())
    assert {'task', 'distill', 'feature', 'attention'} <= set(losses)
    total, log = model.parse_losses(losses)
    expected = sum(WEIGHTS[name] * losses[name] for name in WEIGHTS)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(log['loss'], expected.detach())
    assert log['distill'].item() == losses['distill'].item()
    assert not any(value.requires_grad for value in log.values())


def test_without_weight_no_level_is_computed_and_the_teacher_does_not_run(model):
    model.set_loss_weights(dict(task=1.0))
    runs = []
    model.teacher.register_forward_hook(lambda *arguments: runs.append(1))
    losses = model.loss(*batch())
    assert runs == []
    assert 'distill' not in losses
    total, _ = model.parse_losses(losses)
    assert total.item() == losses['task'].item()


def test_the_teacher_runs_once_for_all_levels(model):
    model.set_loss_weights(WEIGHTS)
    runs = []
    model.teacher.register_forward_hook(lambda *arguments: runs.append(1))
    model.loss(*batch())
    assert runs == [1]


def test_every_parameter_has_a_gradient_in_either_phase(model):
    for weights in (dict(task=1.0), dict(task=1.0, distill=1.0), WEIGHTS):
        model.zero_grad()
        model.set_loss_weights(weights)
        model.parse_losses(model.loss(*batch()))[0].backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_nobody_sees_the_teacher(model):
    ids = {id(parameter) for parameter in model.teacher.parameters()}
    assert not ids & {id(parameter) for parameter in model.parameters()}
    assert not any('teacher' in key for key in model.state_dict())
    assert not any(parameter.requires_grad for parameter in model.teacher.parameters())
    plain = MODELS.build(tiny.distill())
    assert plain.state_dict().keys() == model.state_dict().keys()


def test_the_teacher_stays_in_eval_mode_and_follows_the_model(model):
    model.train()
    assert not any(module.training for module in model.teacher.modules())
    model.double()
    assert {parameter.dtype for parameter in model.teacher.parameters()} == {torch.float64}


def test_training_changes_the_student_and_not_the_teacher(model):
    model.set_loss_weights(WEIGHTS)
    before = copy.deepcopy(model.teacher.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first = next(model.student.parameters()).clone()
    for _ in range(2):
        optimizer.zero_grad()
        model.parse_losses(model.loss(*batch()))[0].backward()
        optimizer.step()
    assert not torch.equal(next(model.student.parameters()), first)
    assert all(torch.equal(before[key], value) for key, value in model.teacher.state_dict().items())


def test_an_all_ignored_batch_gives_zero_everywhere(model):
    model.set_loss_weights(WEIGHTS)
    total, log = model.parse_losses(model.loss(*batch(ignored=True)))
    total.backward()
    assert {name: log[name].item() for name in WEIGHTS} == dict.fromkeys(WEIGHTS, 0.0)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_the_task_loss_starts_near_chance(model):
    assert model.loss(*batch())['task'].item() == pytest.approx(math.log(7), rel=0.2)


def test_a_students_predictions_need_no_teacher():
    model = MODELS.build(tiny.distill()).eval()
    predictions = model(*batch(), mode='predict')
    assert predictions[0].pred_sem_seg.data.shape == (1, 64, 64)
    assert 'teacher_pred_sem_seg' not in predictions[0]


def test_predictions_carry_the_teachers_which_are_worked_out_once(model):
    model.eval()
    runs = []
    model.teacher.backbone.register_forward_hook(lambda *arguments: runs.append(1))
    inputs, samples = batch()
    with torch.no_grad():
        expected = model.teacher(inputs, [SegDataSample(metainfo=s.metainfo) for s in samples], mode='predict')
        first, again = (model(inputs, samples, mode='predict') for _ in range(2))
    assert len(runs) == 2  # ours above, and the model's own
    for predictions in (first, again):
        for mine, its in zip(predictions, expected, strict=True):
            assert torch.equal(mine.teacher_pred_sem_seg.data, its.pred_sem_seg.data)


def test_weights_for_levels_that_nobody_declared_are_refused(model):
    with pytest.raises(InputError, match=r'weights\.atention.*known: attention, distill, feature, task'):
        model.set_loss_weights(dict(task=1.0, atention=0.1))


def test_the_weight_of_a_level_that_is_off_is_ignored():
    model = MODELS.build(tiny.distill(attention=None))
    model.set_loss_weights(WEIGHTS)
    assert model.active_levels == ['distill', 'feature']


def test_weights_that_leave_nothing_to_train_are_refused():
    model = MODELS.build(tiny.distill(attention=None))
    with pytest.raises(InputError, match='nothing would be trained'):
        model.set_loss_weights(dict(attention=1.0))


def test_class_counts_that_differ_are_refused():
    config = tiny.distill()
    config.teacher = tiny.teacher(classes=5)
    with pytest.raises(InputError, match=r'num_classes=5 differs from .*num_classes=7'):
        MODELS.build(config)


def test_a_teacher_that_sees_other_numbers_is_refused():
    config = tiny.distill()
    config.teacher.data_preprocessor = dict(tiny.PREPROCESSOR, mean=[0.0, 0.0, 0.0])
    with pytest.raises(InputError, match=r'data_preprocessor\.mean differs'):
        MODELS.build(config).build_teacher()


def test_a_step_before_the_teacher_is_loaded_says_so():
    model = MODELS.build(tiny.distill())
    model.set_loss_weights(WEIGHTS)
    with pytest.raises(InputError, match='TeacherHook'):
        model.loss(*batch())


def test_the_probe_finds_a_gradient_in_every_level_and_leaves_no_trace(model):
    before = copy.deepcopy(model.state_dict())
    norms = probe_levels(model, model.distiller.levels, (64, 64))
    assert all(norm > 0 for norm in norms.values())
    assert set(norms) == {'distill', 'feature', 'attention'}
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


class Cut(torch.nn.Module):
    """A loss that looks away from its student."""

    def forward(self, student, teacher, valid):
        return (student.detach() - student.detach()).square().mean()


@pytest.mark.parametrize(
    ('level', 'message'),
    [
        (
            dict(student='backbone:0', teacher='backbone:1', loss=dict(type='FeatureMSELoss')),
            r"cannot be compared: student 'backbone:0' \(2, 8, 16, 16\), teacher 'backbone:1' \(2, 16,",
        ),
        (
            dict(
                student='backbone:3',
                teacher='backbone:2',
                connector=tiny.connectors(((9, 32),))[0],
                loss=dict(type='FeatureMSELoss'),
            ),
            r'levels\.feature: its two sides cannot be compared',
        ),
        (
            dict(student='decode_head.dropout', teacher='auxiliary', loss=dict(type='FeatureMSELoss')),
            r"no module 'auxiliary'",
        ),
        (
            dict(student='backbone:0', teacher='backbone:0', loss=dict(type='Cut')),
            r'levels\.feature contributes no gradient',
        ),
    ],
)
def test_a_level_that_cannot_work_is_refused_before_training(level, message):
    MODELS.register_module(module=Cut, force=True)
    model = MODELS.build(tiny.distill(feature=level))
    with pytest.raises(InputError, match=message):
        model.build_teacher()
        probe_levels(model, ['distill', 'feature'], (64, 64))


def test_a_teacher_in_half_precision_says_nearly_the_same(model):
    inputs, samples = batch()
    model.set_loss_weights(WEIGHTS)
    model.eval()  # no dropout, so that the two differ in the teacher's precision alone
    full = model.loss(inputs, samples)
    dtypes = []
    model.teacher.decode_head.conv_seg.register_forward_hook(lambda *arguments: dtypes.append(arguments[-1].dtype))
    model.teacher_dtype = torch.bfloat16
    half = model.loss(inputs, samples)
    assert dtypes == [torch.bfloat16]
    for name in WEIGHTS:
        assert half[name].dtype == torch.float32
        assert half[name].item() == pytest.approx(full[name].item(), rel=0.03)
    assert half['distill'].item() != full['distill'].item()


def test_other_precisions_are_refused():
    with pytest.raises(InputError, match=r"model.teacher_dtype='int8' must be None or one of bfloat16, float16"):
        MODELS.build(tiny.distill() | dict(teacher_dtype='int8'))
