"""Where the levels compare: at labelled pixels, at those without a label, or everywhere in the image."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mapsage_mmseg.errors import InputError
from tests import tiny

WEIGHTS = dict(task=1.0, distill=1.0, feature=1.0, attention=1.0)
LEVELS = ('distill', 'feature', 'attention')


def built(where):
    torch.manual_seed(0)
    model = MODELS.build(tiny.distill() | dict(distill_where=where))
    model.init_weights()
    model.build_teacher().init_weights()
    model.set_loss_weights(WEIGHTS)
    return model.train()


def batch(model, *sizes, label=255):
    """Images of these sizes, as a data loader gives them and the preprocessor fills them up to 64 x 64."""
    generator = torch.Generator().manual_seed(1)
    images = [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, *size), label))) for size in sizes]
    data = model.data_preprocessor(dict(inputs=images, data_samples=samples), True)
    return data['inputs'], data['data_samples']


def test_everywhere_is_the_image_and_not_what_fills_it_up():
    model = built('everywhere')
    _, samples = batch(model, (40, 64), (64, 24), (64, 64))
    expected = torch.zeros(3, 1, 64, 64)
    expected[0, :, :40], expected[1, :, :, :24], expected[2] = 1, 1, 1
    mask = model.valid(samples)
    assert mask.dtype == torch.float32 and torch.equal(mask, expected)
    model.distill_where = 'labelled'
    assert not model.valid(samples).any()


@pytest.mark.parametrize('marked', [False, True])
def test_unlabelled_is_what_is_shown_and_has_no_label(marked):
    model = built('unlabelled')
    model.unlabelled_label = 254 if marked else None
    _, samples = batch(model, (40, 64), (64, 64), label=254 if marked else 255)
    samples[1].gt_sem_seg.data[:, 40:] = 3
    expected = torch.ones(2, 1, 64, 64)
    expected[0, :, 40:] = expected[1, :, 40:] = 0
    assert torch.equal(model.valid(samples), expected)
    model.distill_where = 'labelled'
    assert model.valid(samples).sum() == 24 * 64


def test_where_the_data_mark_what_has_no_label_filled_pixels_are_not_compared():
    """As Pad and RandomRotate fill them: inside the image's own size."""
    model = built('everywhere')
    model.unlabelled_label = 254
    inputs, samples = batch(model, (64, 64), (64, 64), label=254)
    samples[0].gt_sem_seg.data[:, :20] = 255
    samples[1].gt_sem_seg.data[:, 40:] = 3
    expected = torch.ones(2, 1, 64, 64)
    expected[0, :, :20] = 0
    assert torch.equal(model.valid(samples), expected)
    losses = model.loss(inputs, samples)
    assert losses['task'] > 0 and losses['distill'] > 0
    assert samples[0].gt_sem_seg.data.unique().tolist() == [255]
    assert samples[1].gt_sem_seg.data.unique().tolist() == [3, 255]


def test_a_batch_without_a_label_teaches_what_the_teacher_sees():
    model = built('everywhere')
    losses = model.loss(*batch(model, (64, 64), (64, 64)))
    assert losses['task'].item() == 0
    assert all(losses[name].item() > 0 for name in LEVELS)
    total, _ = model.parse_losses(losses)
    total.backward()
    assert model.student.decode_head.conv_seg.weight.grad.abs().sum() > 0
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def test_at_labelled_pixels_such_a_batch_teaches_nothing():
    model = built('labelled')
    losses = model.loss(*batch(model, (64, 64), (64, 64)))
    assert all(losses[name].item() == 0 for name in ('task', *LEVELS))


def test_where_everything_is_labelled_both_are_the_same():
    found = []
    for where in ('labelled', 'everywhere'):
        model = built(where)
        inputs, samples = batch(model, (64, 64), (64, 64), label=2)
        torch.manual_seed(5)
        found.append(model.loss(inputs, samples))
    assert all(torch.equal(found[0][name], found[1][name]) for name in ('task', *LEVELS))


def test_the_task_does_not_see_it():
    """Half of the pixels are labelled: the task is the mean over these, whatever the levels compare."""
    tasks = []
    for where in ('labelled', 'everywhere'):
        model = built(where)
        inputs, samples = batch(model, (64, 64), label=2)
        samples[0].gt_sem_seg.data[:, 32:] = 255
        torch.manual_seed(5)
        tasks.append(model.loss(inputs, samples)['task'].item())
    assert tasks[0] == tasks[1] > 0


def test_another_value_is_refused():
    with pytest.raises(InputError, match="distill_where='anywhere' must be one of labelled, unlabelled, everywhere"):
        built('anywhere')
