"""Every loss: values worked out by hand, the properties that all share, gradients."""

import math

import pytest
import torch

from mapsage_mmseg.errors import InputError
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
from mapsage_mmseg.models.losses.attention_kl import overlap, pool_rows
from mapsage_mmseg.models.losses.feature_mse import normalise_feature
from mapsage_mmseg.models.losses.masking import masked_mean, token_grid


def maps(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def rows(seed, images, length):
    return maps(seed, images, length, length).softmax(-1)


def mask(images=2, size=(16, 16)):
    return torch.ones(images, 1, *size)


CASES = {
    'logits': (LogitKLLoss(3.0), lambda seed: maps(seed, 2, 5, 8, 8)),
    'batchmean': (LogitKLLoss(3.0, reduction='batchmean'), lambda seed: maps(seed, 2, 5, 8, 8)),
    'features': (FeatureMSELoss(), lambda seed: normalise_feature(maps(seed, 2, 5, 8, 8))),
    'attention': (AttentionKLLoss(), lambda seed: rows(seed, 2, 16)),
    'activations': (ActivationAttentionLoss(), lambda seed: maps(seed, 2, 5, 8, 8)),
    'directions': (NormalizedFeatureLoss(), lambda seed: maps(seed, 2, 5, 8, 8)),
    'patches': (PatchSimilarityLoss(tau=0.5), lambda seed: maps(seed, 2, 5, 8, 8)),
    'channels': (ChannelWiseKLLoss(), lambda seed: maps(seed, 2, 5, 8, 8)),
    'correlations': (CorrelationLoss(), lambda seed: maps(seed, 2, 5, 8, 8)),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_a_scalar_zero_for_identical_inputs_and_positive_otherwise(case):
    loss, make = case
    same = loss(make(0), make(0), mask())
    assert same.shape == ()
    assert 0 <= same.item() < 1e-5
    assert all(loss(make(seed), make(seed + 1), mask()).item() > 1e-4 for seed in range(5))


def test_an_all_ignored_batch_gives_exactly_zero_and_no_nan_gradient(case):
    loss, make = case
    student = make(0).requires_grad_()
    value = loss(student, make(1), torch.zeros_like(mask()))
    value.backward()
    assert value.item() == 0
    assert torch.equal(student.grad, torch.zeros_like(student))


def test_ignored_places_do_not_count(case):
    loss, make = case
    valid = mask()
    valid[1] = 0  # the second image is ignored
    student, teacher = make(0), make(1)
    expected = loss(student[:1], teacher[:1], valid[:1])
    if isinstance(loss, LogitKLLoss) and loss.reduction == 'batchmean':
        expected = expected / 2  # it divides by the images, ignored or not
    torch.testing.assert_close(loss(student, teacher, valid), expected)


def test_a_non_finite_value_under_the_mask_does_not_spread(case):
    loss, make = case
    valid = mask()
    valid[1] = 0
    student, teacher = make(0), make(1)
    student[1], teacher[1] = float('nan'), float('inf')
    student.requires_grad_()
    term = loss(student, teacher, valid)
    term.backward()
    assert torch.isfinite(term) and torch.isfinite(student.grad).all()
    assert student.grad[0].any() and not student.grad[1].any()


def test_the_gradient_is_that_of_finite_differences(case):
    loss, make = case
    if isinstance(loss, AttentionKLLoss):
        pytest.skip('its inputs are clamped and renormalised in float32; the next test holds its gradient')
    student = make(0)[:1, :, :2, :2].clone().requires_grad_()
    teacher = make(1)[:1, :, :2, :2]
    loss(student, teacher, mask(1)).backward()
    step = 1e-2
    for index in [(0, 0, 0, 0), (0, 3, 1, 0)]:
        plus, minus = student.detach().clone(), student.detach().clone()
        plus[index] += step
        minus[index] -= step
        slope = (loss(plus, teacher, mask(1)) - loss(minus, teacher, mask(1))) / (2 * step)
        assert student.grad[index].item() == pytest.approx(slope.item(), rel=2e-2, abs=1e-4)


def test_the_attention_gradient_by_hand():
    # One image, two tokens in one row of the image; d KL / d s_j = -t_j / s_j + 1 under renormalisation (sum s = 1).
    student = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]]).requires_grad_()
    teacher = torch.tensor([[[0.8, 0.2], [0.5, 0.5]]])
    AttentionKLLoss()(student, teacher, torch.ones(1, 1, 16, 32)).backward()
    torch.testing.assert_close(student.grad, torch.tensor([[[-0.3, 0.3], [0.0, 0.0]]]), atol=1e-5, rtol=1e-5)


def test_memory_format_and_half_precision_change_nothing_that_matters(case):
    loss, make = case
    student, teacher = make(0), make(1)
    expected = loss(student, teacher, mask())
    if student.ndim == 4:
        last = torch.channels_last
        torch.testing.assert_close(
            loss(student.to(memory_format=last), teacher.to(memory_format=last), mask()), expected
        )
    half = loss(student.bfloat16(), teacher.bfloat16(), mask())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, rtol=0.05, atol=0.02)


def test_kl_by_hand():
    # Two classes, one pixel, T = 2: teacher logits (2 ln 3, 0) give (3/4, 1/4), the student's (0, 0) give (1/2, 1/2).
    student = torch.zeros(1, 2, 1, 1)
    teacher = torch.tensor([2 * math.log(3), 0.0]).view(1, 2, 1, 1)
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert LogitKLLoss(2.0)(student, teacher, mask(1, (1, 1))).item() == pytest.approx(4 * kl, rel=1e-6)


def test_kl_gradient_by_hand():
    # d/ds of T^2 KL = T (softmax(s/T) - softmax(t/T)) / P
    student, teacher, temperature = maps(0, 1, 3, 2, 2).requires_grad_(), maps(1, 1, 3, 2, 2), 2.5
    LogitKLLoss(temperature)(student, teacher, mask(1, (2, 2))).backward()
    expected = temperature * ((student / temperature).softmax(1) - (teacher / temperature).softmax(1)) / 4
    torch.testing.assert_close(student.grad, expected.detach())


def test_kl_by_batchmean_is_the_mean_times_pixels_per_image():
    student, teacher = maps(0, 2, 5, 8, 8), maps(1, 2, 5, 8, 8)
    ratio = LogitKLLoss(4.0, 'batchmean')(student, teacher, mask()) / LogitKLLoss(4.0)(student, teacher, mask())
    assert ratio.item() == pytest.approx(64)


def test_kl_at_large_logits_in_half_precision_is_finite():
    student = torch.tensor([200.0, -200.0], dtype=torch.float16).view(1, 2, 1, 1)
    value = LogitKLLoss(1.0)(student, -student, mask(1, (1, 1)))
    assert value.item() == pytest.approx(400)


def test_kl_meets_the_teacher_on_the_students_grid():
    student = maps(0, 1, 3, 4, 4)
    constant = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    whole = LogitKLLoss(4.0)(student, constant.expand(1, 3, 4, 4), mask(1))
    torch.testing.assert_close(LogitKLLoss(4.0)(student, constant.expand(1, 3, 9, 7), mask(1)), whole)


def test_feature_mse_by_hand():
    # Teacher channels (1, 3) normalise to (-1, 1); the student says (0, 0): mean of (1, 1).
    teacher = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    assert FeatureMSELoss()(torch.zeros(1, 2, 1, 1), teacher, mask(1, (1, 1))).item() == pytest.approx(1.0, rel=1e-5)


def test_feature_mse_does_not_depend_on_the_teachers_scale():
    student, teacher = maps(0, 2, 5, 4, 4), maps(1, 2, 5, 4, 4)
    torch.testing.assert_close(
        FeatureMSELoss()(student, 100 * teacher + 7, mask()),
        FeatureMSELoss()(student, teacher, mask()),
        rtol=1e-3,
        atol=1e-4,
    )


def test_directions_by_hand():
    # (1, 0) and (3, 3): the cosine is 1 / sqrt 2; lengths do not count.
    student, teacher = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([3.0, 3.0]).view(1, 2, 1, 1)
    value = NormalizedFeatureLoss()(student, teacher, mask(1, (1, 1))).item()
    assert value == pytest.approx(2 - 2 / math.sqrt(2), rel=1e-5)
    opposite = NormalizedFeatureLoss()(student, -5 * student, mask(1, (1, 1))).item()
    assert opposite == pytest.approx(4.0, rel=1e-5)


def test_channel_wise_kl_by_hand():
    # One channel over two positions: teacher (ln 3, 0) looks at the first with 3/4, the student with 1/2.
    student, teacher = torch.zeros(1, 1, 1, 2), torch.tensor([math.log(3), 0.0]).view(1, 1, 1, 2)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert ChannelWiseKLLoss()(student, teacher, mask(1, (1, 2))).item() == pytest.approx(expected, rel=1e-5)
    by_tau = ChannelWiseKLLoss(tau=2.0)(student, 2 * teacher, mask(1, (1, 2))).item()
    assert by_tau == pytest.approx(4 * expected, rel=1e-5)


def test_channel_wise_kl_is_mmrazors_where_everything_counts():
    from mmrazor.models.losses import ChannelWiseDivergence

    student, teacher = maps(0, 2, 5, 8, 8), maps(1, 2, 5, 8, 8)
    theirs = ChannelWiseDivergence(tau=3.0)(student, teacher)
    torch.testing.assert_close(ChannelWiseKLLoss(tau=3.0)(student, teacher, mask()), theirs, rtol=1e-4, atol=1e-6)


def test_correlation_by_hand():
    # Probabilities of three classes at one pixel: the student has (0.6, 0.3, 0.1), the teacher (0.1, 0.3, 0.6).
    student, teacher = (torch.tensor(p).log().view(1, 3, 1, 1) for p in ([0.6, 0.3, 0.1], [0.1, 0.3, 0.6]))
    a, b = (torch.tensor(p) - 1 / 3 for p in ([0.6, 0.3, 0.1], [0.1, 0.3, 0.6]))
    r = float((a * b).sum() / (a.norm() * b.norm()))
    value = CorrelationLoss(between=1.0, within=0.0)(student, teacher, mask(1, (1, 1))).item()
    assert value == pytest.approx(1 - r, rel=1e-4)


def test_correlation_within_a_class_is_over_the_pixels_that_count():
    # Class 0 over three pixels, the last ignored: (0.2, 0.4) against (0.9, 0.1) falls where the other rises, r = -1.
    student, teacher = (
        torch.tensor([p, [1 - x for x in p]]).log().view(1, 2, 1, 3) for p in ([0.2, 0.4, 0.9], [0.9, 0.1, 0.9])
    )
    valid = torch.tensor([1.0, 1.0, 0.0]).view(1, 1, 1, 3)
    assert CorrelationLoss(between=0.0)(student, teacher, valid).item() == pytest.approx(2.0, rel=1e-4)


def test_patch_similarities_by_hand_whatever_the_channels():
    # Three patches in a row. The student's first looks like its second (cosine 1) and unlike its third (cosine 0); all
    # of the teacher's look alike. With tau = 1 the teacher's rows are (1/2, 1/2).
    student = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).T.reshape(1, 2, 1, 3)
    teacher = torch.ones(1, 5, 1, 3)
    uneven = math.e / (math.e + 1)  # softmax of (1, 0)
    row = 0.5 * math.log(0.5 / uneven) + 0.5 * math.log(0.5 / (1 - uneven))
    value = PatchSimilarityLoss(tau=1.0)(student, teacher, mask(1, (1, 3))).item()
    assert value == pytest.approx((row + row + 0.0) / 3, rel=1e-5)  # the third is as unlike both


@pytest.mark.parametrize(
    'build',
    [
        lambda: PatchSimilarityLoss(tau=0),
        lambda: PatchSimilarityLoss(grid=1),
        lambda: ChannelWiseKLLoss(tau=-1),
        lambda: CorrelationLoss(tau=0),
        lambda: CorrelationLoss(between=0, within=0),
    ],
)
def test_settings_that_make_no_sense_are_refused(build):
    with pytest.raises(InputError):
        build()


def test_attention_by_hand():
    student = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]])
    teacher = torch.tensor([[[0.75, 0.25], [0.5, 0.5]]])
    expected = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2  # mean over two rows
    assert AttentionKLLoss()(student, teacher, torch.ones(1, 1, 16, 32)).item() == pytest.approx(expected, rel=1e-4)


def test_attention_rows_that_do_not_sum_to_one_are_renormalised():
    student, teacher = rows(0, 1, 16), rows(1, 1, 16)
    torch.testing.assert_close(
        AttentionKLLoss()(student * 1.03, teacher * 0.97, mask(1)),
        AttentionKLLoss()(student, teacher, mask(1)),
        rtol=1e-3,
        atol=1e-5,
    )


@pytest.mark.parametrize(('fine', 'coarse'), [(8, 4), (5, 3), (3, 5), (7, 7), (9, 1)])
def test_overlap_hands_out_each_cell_whole(fine, coarse):
    shares = overlap(fine, coarse)
    torch.testing.assert_close(shares.sum(0), torch.ones(fine))
    torch.testing.assert_close(shares.sum(1), torch.full((coarse,), fine / coarse))


def test_overlap_by_hand():
    torch.testing.assert_close(overlap(3, 2), torch.tensor([[1, 0.5, 0], [0, 0.5, 1]]))


@pytest.mark.parametrize(('source', 'target'), [((8, 8), (4, 4)), ((5, 7), (3, 4)), ((2, 3), (4, 5))])
def test_pooled_rows_sum_to_one_and_are_not_negative(source, target):
    pooled = pool_rows(rows(0, 2, source[0] * source[1]), source, target)
    assert pooled.shape == (2, target[0] * target[1], target[0] * target[1])
    assert pooled.min() >= 0
    torch.testing.assert_close(pooled.sum(-1), torch.ones(pooled.shape[:2]))


def test_pooled_rows_by_hand():
    # Four tokens in a line to two cells: queries averaged, keys summed.
    source = torch.tensor([[[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [1.0, 0, 0, 0], [0, 1.0, 0, 0]]])
    torch.testing.assert_close(pool_rows(source, (1, 4), (1, 2)), torch.tensor([[[0.5, 0.5], [1.0, 0.0]]]))


def test_activation_attention_by_hand_and_whatever_the_grid():
    student = torch.tensor([[1.0, 0.0]]).view(1, 1, 1, 2)
    teacher = torch.tensor([[0.0, 1.0]]).view(1, 1, 1, 2)
    valid = mask(1, (16, 32))
    assert ActivationAttentionLoss()(student, teacher, valid).item() == pytest.approx(2.0)
    torch.testing.assert_close(ActivationAttentionLoss()(5 * student, teacher, valid), torch.tensor(2.0))


@pytest.mark.parametrize(
    ('length', 'image', 'grid'),
    [(64, (128, 128), (8, 8)), (32, (128, 256), (4, 8)), (63, (97, 130), (7, 9)), (1, (16, 16), (1, 1))],
)
def test_token_grids(length, image, grid):
    assert token_grid(length, image) == grid


def test_a_number_of_tokens_that_tiles_nothing_is_refused():
    with pytest.raises(ValueError, match='13 tokens'):
        token_grid(13, (128, 128))


def test_masked_mean_by_hand():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert masked_mean(values, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item() == 2.5


@pytest.mark.parametrize('settings', [dict(temperature=0), dict(temperature=-1), dict(reduction='sum')])
def test_kl_refuses_what_it_cannot_do(settings):
    with pytest.raises(InputError, match='LogitKLLoss'):
        LogitKLLoss(**settings)
