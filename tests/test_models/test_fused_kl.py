"""The fused divergence against autograd's own."""

import pytest
import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from mapsage_mmseg.models.losses import fused_kl as module
from mapsage_mmseg.models.losses.fused_kl import fused_kl


def plain_kl(student, teacher, mask, temperature):
    """As a textbook has it."""
    log_s, log_t = (F.log_softmax(values / temperature, dim=1) for values in (student, teacher))
    return ((log_t.exp() * (log_t - log_s)).sum(dim=1, keepdim=True) * mask).sum()


def logits(shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (3 * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    mask = (torch.rand((shape[0], 1, *shape[2:]), generator=generator) > 0.2).to(dtype)
    return student.to(dtype).requires_grad_(), teacher.to(dtype), mask


@pytest.mark.parametrize('piece', [1, 40, 100, 10**6], ids=['a row', 'rows', 'images', 'all'])
@pytest.mark.parametrize('shape', [(3, 5, 4, 6), (1, 2, 1, 1), (2, 7, 5, 3)])
def test_value_and_gradient_are_autograds_to_1e_10(shape, piece, monkeypatch):
    monkeypatch.setattr(module, 'PIECE', piece)
    student, teacher, mask = logits(shape)
    expected = plain_kl(student, teacher, mask, 2.5)
    (gradient,) = torch.autograd.grad(3 * expected, student)
    value = fused_kl(student, teacher, mask, 2.5)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(torch.autograd.grad(3 * value, student)[0], gradient, rtol=1e-10, atol=1e-10)


def test_every_pixel_is_in_one_piece(monkeypatch):
    for piece in (1, 17, 64, 10**6):
        monkeypatch.setattr(module, 'PIECE', piece)
        seen = torch.zeros(3, 2, 5, 4)
        for where in module._pieces(seen):
            seen[where] += 1
        assert seen.eq(1).all()


def test_backward_twice_gives_the_same():
    """Measuring the terms' gradients goes through a graph that is used again."""
    student, teacher, mask = logits((2, 3, 4, 4))
    value = fused_kl(student, teacher, mask, 2.0)
    first, second = (torch.autograd.grad(value, student, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_worked_out_in_float32(dtype):
    student, teacher, mask = logits((2, 5, 8, 8), dtype=dtype)
    value = fused_kl(student, teacher, mask, 2.0)
    assert value.dtype == torch.float32
    exact = student.detach().double().requires_grad_()
    expected = plain_kl(exact, teacher.double(), mask.double(), 2.0)
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    (gradient,), (of_exact,) = torch.autograd.grad(value, student), torch.autograd.grad(expected, exact)
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient.double(), of_exact, rtol=1e-2, atol=1e-3)


def test_memory_formats_agree_and_the_gradient_keeps_the_students():
    student, teacher, mask = logits((2, 5, 6, 4))
    last = student.detach().to(memory_format=torch.channels_last).requires_grad_()
    values = [fused_kl(each, teacher, mask, 2.0) for each in (student, last)]
    torch.testing.assert_close(*values)
    gradients = [torch.autograd.grad(value, each)[0] for value, each in zip(values, (student, last), strict=True)]
    torch.testing.assert_close(*gradients)
    assert gradients[1].is_contiguous(memory_format=torch.channels_last)


def test_a_masked_pixel_may_hold_anything():
    student, teacher, mask = logits((1, 3, 2, 2))
    mask.fill_(1.0)[..., 0, 0] = 0.0
    expected = fused_kl(student, teacher, mask, 1.0)
    broken = student.detach().clone()
    broken[..., 0, 0] = float('nan')
    broken.requires_grad_()
    value = fused_kl(broken, teacher, mask, 1.0)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, broken)
    assert gradient.isfinite().all() and (gradient[..., 0, 0] == 0).all()


def test_extra_memory_is_one_gradient_and_a_little():
    """150 classes: at most 1.2 times one logits tensor beyond what was there, forward and backward together."""
    student, teacher, mask = logits((1, 150, 256, 256), dtype=torch.float32)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        fused_kl(student, teacher, mask, 2.0).backward()
    held = peak = 0
    for event in run.profiler.kineto_results.events():
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    assert student.grad is not None
    size = student.numel() * 4
    assert size <= peak <= 1.2 * size
