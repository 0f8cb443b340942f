"""The teacher as an inference graph: the same answers, without its batch norms and with its weights packed."""

import copy

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mapsage_mmseg.models.segmentors.folding import fold_batch_norms
from mapsage_mmseg.models.segmentors.frozen_teacher import freeze_teacher
from mapsage_mmseg.models.segmentors.packed import PackedConv2d, PackedLinear, pack_weights
from tests import tiny

RECORDED = ('backbone', 'backbone.layers.1.attn.rows', 'decode_head.conv_seg')


def lived(model):
    """Statistics and affine parameters of a batch norm that has been trained."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 3.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    return model.eval().requires_grad_(False)


def image(batch=2, size=64):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def answers(model, x, recorded=RECORDED):
    """What each recorded module gave, flattened."""
    seen = []
    modules = dict(model.named_modules())
    hooks = [modules[path].register_forward_hook(lambda module, args, out: seen.append(out)) for path in recorded]
    model(x, None, mode='tensor')
    for hook in hooks:
        hook.remove()
    return [tensor for out in seen for tensor in (out if isinstance(out, tuple) else (out,))]


def assert_same(mine, its, tolerance):
    assert len(mine) == len(its) > 0
    for a, b in zip(mine, its, strict=True):
        torch.testing.assert_close(a.float(), b.float(), rtol=tolerance, atol=tolerance * b.abs().max().item())


def stemmed(stem):
    config = tiny.teacher(stem='PatchStem' if stem == 'PatchStem' else 'ConvStem')
    if stem == 'EfficientNetLiteStem':
        pytest.importorskip('efficientnet_lite_pytorch')
        config.backbone.stem = dict(type=stem, pretrained=False)
    if stem == 'SyncBN':
        config.backbone.stem.norm_cfg = config.decode_head.norm_cfg = dict(type='SyncBN')
    torch.manual_seed(2)
    return lived(MODELS.build(config))


@pytest.mark.parametrize('stem', ['ConvStem', 'SyncBN', 'PatchStem', 'EfficientNetLiteStem'])
def test_folded_and_packed_it_says_the_same_to_1e_5(stem):
    teacher, x = stemmed(stem), image()
    expected, keys = answers(teacher, x), [name for name, _ in teacher.named_modules()]
    norms = sum(isinstance(module, _BatchNorm) for module in teacher.modules())
    assert fold_batch_norms(teacher, lambda: teacher(x, None, mode='tensor'), RECORDED) == norms > 0
    assert not any(isinstance(module, _BatchNorm) for module in teacher.modules())
    assert [name for name, _ in teacher.named_modules()] == keys
    assert_same(answers(teacher, x), expected, 1e-5)
    weights = teacher.state_dict().keys()
    assert pack_weights(teacher) > 10
    assert teacher.state_dict().keys() == weights
    for _ in range(2):  # packing, then packed
        assert_same(answers(teacher, x), expected, 1e-5)
    other = image(1, 96)  # a size that it was not packed for
    fresh = stemmed(stem)
    assert_same(answers(teacher, other), answers(fresh, other), 1e-5)


class Fork(nn.Module):
    """A convolution that its norm and somebody else read."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.conv(x)
        return self.norm(x) + x


def test_a_convolution_that_others_read_keeps_its_norm():
    model, x = lived(Fork()), image()
    expected, before = model(x), copy.deepcopy(model.state_dict())
    assert fold_batch_norms(model, lambda: model(x), ()) == 0
    assert torch.equal(model(x), expected)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize('recorded', ['0', '1'])
def test_what_a_level_records_is_not_folded(recorded):
    model, x = lived(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))), image()
    assert fold_batch_norms(model, lambda: model(x), (recorded,)) == 0
    assert fold_batch_norms(model, lambda: model(x), ()) == 1


def test_pairs_are_found_by_what_flows_and_not_by_order():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
            self.late, self.early = nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.second(self.late(self.first(self.early(x)).relu()))

    model, x = lived(Backwards()), image()
    expected = model(x)
    assert fold_batch_norms(model, lambda: model(x), ()) == 2
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5)


def test_packed_layers_run_in_what_autocast_asks_for():
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip('this CPU has no bfloat16 kernels')
    teacher, x = stemmed('ConvStem'), image()
    with torch.autocast('cpu', torch.bfloat16):
        expected = answers(teacher, x)
        pack_weights(teacher)
        found = answers(teacher, x)
    assert [tensor.dtype for tensor in found] == [tensor.dtype for tensor in expected]
    assert_same(found, expected, 0.02)


def test_where_a_gradient_is_wanted_the_plain_forward_runs():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(2), nn.Linear(64, 5))
    x = torch.randn(2, 3, 8, 8)
    expected = torch.autograd.grad(model(x).sum(), model.parameters())
    assert pack_weights(model) == 2
    for mine, its in zip(torch.autograd.grad(model(x).sum(), model.parameters()), expected, strict=True):
        assert torch.equal(mine, its)


def test_weights_that_change_or_move_are_packed_anew():
    conv = nn.Sequential(nn.Conv2d(3, 4, 3))
    pack_weights(conv)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        conv(x)
        conv[0].weight.mul_(2)
        torch.testing.assert_close(conv(x), nn.functional.conv2d(x, conv[0].weight, conv[0].bias))
        conv.double()
        assert conv(x.double()).dtype == torch.float64


def test_a_distillations_teacher_is_frozen_and_its_terms_are_the_same():
    torch.manual_seed(0)
    model = MODELS.build(tiny.distill())
    lived(model.build_teacher())
    model.eval()
    x, valid = image(), torch.ones(2, 1, 64, 64)

    def terms():
        with torch.no_grad(), model.distiller.recording('teacher', model.distiller.levels):
            model.teacher(x, None, mode='tensor')
        with model.distiller.recording('student', model.distiller.levels):
            model.student(x, None, mode='tensor')
        return model.distiller.compute_distill_losses(None, valid)

    expected = terms()
    freeze_teacher(model, (64, 64))
    kinds = {type(module) for module in model.teacher.modules()}
    assert {PackedConv2d, PackedLinear} <= kinds and not any(issubclass(kind, _BatchNorm) for kind in kinds)
    for name, value in terms().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
