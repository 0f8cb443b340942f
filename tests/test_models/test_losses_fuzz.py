"""Every loss on any shapes, dtypes, ignore patterns and memory formats: what must hold for all of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsage_mmseg.models.losses import (
    ActivationAttentionLoss,
    AttentionKLLoss,
    ChannelWiseKLLoss,
    CorrelationLoss,
    FeatureMSELoss,
    LogitKLLoss,
    NormalizedFeatureLoss,
    PatchSimilarityLoss,
)
from mapsage_mmseg.models.losses.feature_mse import normalise_feature

LOSSES = {
    'logits': lambda temperature: LogitKLLoss(temperature),
    'batchmean': lambda temperature: LogitKLLoss(temperature, reduction='batchmean'),
    'features': lambda temperature: FeatureMSELoss(),
    'activations': lambda temperature: ActivationAttentionLoss(),
    'attention': lambda temperature: AttentionKLLoss(),
    'directions': lambda temperature: NormalizedFeatureLoss(),
    'patches': lambda temperature: PatchSimilarityLoss(tau=temperature),
    'channels': lambda temperature: ChannelWiseKLLoss(tau=temperature),
    'correlations': lambda temperature: CorrelationLoss(tau=temperature),
}
DTYPES = st.sampled_from([torch.float32, torch.float32, torch.bfloat16, torch.float16])
SIDES = st.integers(1, 9)


@st.composite
def cases(draw):
    """What a step may hand to a loss, drawn without regard to which loss it is."""
    return dict(
        images=draw(st.integers(1, 3)),
        channels=draw(st.integers(1, 7)),
        student=(draw(SIDES), draw(SIDES)),
        teacher=(draw(SIDES), draw(SIDES)),
        image=(draw(st.integers(1, 40)), draw(st.integers(1, 40))),
        dtypes=(draw(DTYPES), draw(DTYPES)),
        last=draw(st.booleans()),
        strided=draw(st.booleans()),
        scale=draw(st.sampled_from([0.0, 1e-4, 1.0, 30.0])),
        temperature=draw(st.sampled_from([0.5, 1.0, 4.0, 20.0])),
        valid=draw(st.sampled_from(['all', 'none', 'some', 'one image', 'one pixel'])),
        seed=draw(st.integers(0, 2**16)),
    )


def drawn(case, generator, size, dtype):
    """(N, C, h, w), contiguous, channels_last or a view into something larger."""
    height, width = size
    wide = 2 * width if case['strided'] else width
    values = case['scale'] * torch.randn((case['images'], case['channels'], height, wide), generator=generator)
    values = values.to(dtype)
    values = values[..., ::2] if case['strided'] else values
    return values.to(memory_format=torch.channels_last) if case['last'] else values


def rows(case, generator, grid, dtype):
    """(N, L, L): attention over a grid, rows that sum to one as well as the dtype can."""
    length = grid[0] * grid[1]
    values = case['scale'] * torch.randn((case['images'], length, length), generator=generator)
    return values.softmax(-1).to(dtype)


def mask(case, generator, image):
    valid = torch.zeros(case['images'], 1, *image)
    if case['valid'] == 'all':
        valid += 1
    elif case['valid'] == 'some':
        valid = (torch.rand(valid.shape, generator=generator) > 0.5).float()
    elif case['valid'] == 'one image':
        valid[0] = 1
    elif case['valid'] == 'one pixel':
        valid[0, 0, image[0] // 2, image[1] // 2] = 1
    return valid


def inputs(name, case):
    generator = torch.Generator().manual_seed(case['seed'])
    if name != 'attention':
        student, teacher = (drawn(case, generator, case[who], case['dtypes'][at]) for at, who in enumerate(WHO))
        return student, teacher, mask(case, generator, case['image'])
    # Grids of the image's own aspect, as a backbone's are: half, a third and so on of one another.
    grids = [(max(1, case['student'][0] // 2),) * 2, (max(1, case['teacher'][0] // 2),) * 2]
    student, teacher = (rows(case, generator, grid, dtype) for grid, dtype in zip(grids, case['dtypes'], strict=True))
    return student, teacher, mask(case, generator, (max(case['image']),) * 2)


WHO = ('student', 'teacher')


@pytest.mark.parametrize('name', LOSSES)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=cases())
def test_a_finite_scalar_from_zero_with_a_finite_gradient(name, case):
    student, teacher, valid = inputs(name, case)
    student.requires_grad_()
    value = LOSSES[name](case['temperature'])(student, teacher, valid)
    value.backward()
    assert value.shape == () and value.dtype == torch.float32
    assert torch.isfinite(value) and value >= 0
    assert student.grad.shape == student.shape and torch.isfinite(student.grad).all()
    if case['valid'] == 'none':
        assert value == 0 and not student.grad.any()


@pytest.mark.parametrize('name', LOSSES)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(case=cases())
def test_equal_inputs_give_zero(name, case):
    case['dtypes'] = (case['dtypes'][0],) * 2
    student, _, valid = inputs(name, case)
    teacher = student
    if name == 'features':  # the student meets the normalised teacher
        student = normalise_feature(student)
    assert 0 <= LOSSES[name](case['temperature'])(student, teacher, valid) < 1e-4


@pytest.mark.parametrize('name', LOSSES)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(case=cases(), poison=st.sampled_from([float('nan'), float('inf'), -float('inf')]))
def test_what_is_ignored_is_not_looked_at(name, case, poison):
    case['valid'] = 'one image'
    case['images'] += 1
    student, teacher, valid = inputs(name, case)
    loss = LOSSES[name](case['temperature'])
    expected = loss(student, teacher, valid)
    student, teacher = student.clone(), teacher.clone()
    student[1:], teacher[1:] = poison, poison
    student.requires_grad_()
    value = loss(student, teacher, valid)
    value.backward()
    torch.testing.assert_close(value, expected)
    assert torch.isfinite(student.grad).all() and not student.grad[1:].any()
