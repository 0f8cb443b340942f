"""Backbones of transformers: their own features and attention, from saved weights."""

import json

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.backbones import HFBackbone, LightweightViT
from mapsage_mmseg.models.segmentors.frozen_teacher import freeze_teacher
from mapsage_mmseg.training.teacher_training import refuse_untrained
from tests import tiny

transformers = pytest.importorskip('transformers', reason='needs the extra [hf]')

VIT = dict(hidden_size=48, num_hidden_layers=4, num_attention_heads=3)
KINDS = dict(
    dinov3_vit=dict(VIT, intermediate_size=96, num_register_tokens=4, patch_size=16),
    dinov2=dict(VIT, mlp_ratio=2, patch_size=14, image_size=56),
    dinov2_with_registers=dict(VIT, mlp_ratio=2, patch_size=14, image_size=56),
    swin=dict(embed_dim=12, depths=[1, 1, 2, 1], num_heads=[1, 2, 3, 4], window_size=4),
    convnext=dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
    dinov3_convnext=dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
    segformer=dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 2], num_attention_heads=[1, 2, 3, 4]),
)
GLOBAL = ('dinov3_vit', 'dinov2', 'dinov2_with_registers')


def saved(folder, kind, seed=0):
    """A model of that kind with random weights, saved as safetensors; and itself, giving its attention."""
    torch.manual_seed(seed)
    settings = transformers.AutoConfig.for_model(kind, **KINDS[kind])
    if kind != 'segformer':
        settings.out_indices = [1, 2, 3, 4]
    make = transformers.AutoModel if kind == 'segformer' else transformers.AutoBackbone
    model = make.from_config(settings, attn_implementation='eager').eval()
    for parameter in model.parameters():  # layer scales of 1 and zero biases would hide a mistake
        torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    return model


def loaded(folder, **settings):
    backbone = HFBackbone(model=str(folder), local_files_only=True, **settings)
    backbone.init_weights()
    return backbone.eval()


def samples(size=64):
    meta = dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size))
    label = PixelData(data=torch.arange(size * size).view(1, size, size) % 7)
    return [SegDataSample(metainfo=meta, gt_sem_seg=label) for _ in range(2)]


@pytest.mark.parametrize('kind', KINDS)
def test_features_are_those_of_transformers(kind, tmp_path):
    theirs, mine = saved(tmp_path, kind), loaded(tmp_path)
    image = torch.randn(2, 3, 224, 448)  # a multiple of 14 and of 32
    with torch.no_grad():
        found = mine(image)
        if kind == 'segformer':
            expected = theirs(image, output_hidden_states=True).hidden_states
        else:
            expected = theirs(image).feature_maps
    assert mine.channels == tuple(each.shape[1] for each in expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('kind', GLOBAL)
def test_rows_are_the_models_own_attention_between_patches(kind, tmp_path):
    theirs, mine = saved(tmp_path, kind), loaded(tmp_path)
    side = 6 * mine.step
    image = torch.randn(2, 3, side, side)
    rows = []
    mine.rows[2].register_forward_hook(lambda module, inputs, output: rows.append(output))
    with torch.no_grad():
        mine(image)
        attention = theirs(image, output_attentions=True).attentions[2].mean(dim=1)
        every = theirs(image, output_attentions=True).attentions[2]
    prefix = attention.shape[-1] - 36
    assert prefix == (5 if kind != 'dinov2' else 1)
    patches = every[:, :, prefix:, prefix:]
    expected = (patches / patches.sum(dim=-1, keepdim=True)).mean(dim=1)
    assert len(rows) == 1 and len(mine.rows) == 4
    torch.testing.assert_close(rows[0], expected, atol=1e-5, rtol=1e-4)


def test_models_that_attend_in_windows_or_not_at_all_have_no_rows():
    for kind in ('swin', 'convnext'):
        assert len(HFBackbone(config=dict(model_type=kind, **KINDS[kind])).rows) == 0


@pytest.mark.parametrize('kind', KINDS)
def test_any_size_gives_maps_that_cover_the_image(kind):
    backbone = HFBackbone(config=dict(model_type=kind, **KINDS[kind])).eval()
    seen = []
    backbone.model.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    with torch.no_grad():
        maps = backbone(torch.randn(1, 3, 50, 37))
    step = {'dinov3_vit': 16, 'dinov2': 14, 'dinov2_with_registers': 14}.get(kind, 32)
    assert seen == [(-(-50 // step) * step, -(-37 // step) * step)]
    assert len(maps) == 4 and all(torch.isfinite(each).all() for each in maps)


def test_the_model_sees_its_own_normalisation(tmp_path):
    saved(tmp_path, 'dinov3_vit')
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps(dict(image_mean=[0.5] * 3, image_std=[0.25] * 3)))
    backbone = loaded(tmp_path, input_mean=[100.0, 110.0, 120.0], input_std=[50.0, 60.0, 70.0])
    seen = []
    backbone.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    pixels = torch.rand(1, 3, 32, 32) * 255
    mean, std = torch.tensor([100.0, 110.0, 120.0]).view(1, 3, 1, 1), torch.tensor([50.0, 60.0, 70.0]).view(1, 3, 1, 1)
    backbone((pixels - mean) / std)
    torch.testing.assert_close(seen[0], (pixels / 255 - 0.5) / 0.25, atol=1e-4, rtol=1e-4)


def test_a_frozen_backbone_stays_as_it_was():
    backbone = HFBackbone(config=dict(model_type='convnext', **KINDS['convnext']), frozen=True).train()
    maps = backbone(torch.randn(2, 3, 64, 64))
    assert not any(each.requires_grad for each in maps) and not backbone.model.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    free = HFBackbone(config=dict(model_type='convnext', **KINDS['convnext'])).train()
    assert all(each.requires_grad for each in free(torch.randn(2, 3, 64, 64))) and free.model.training


def test_a_model_of_two_layers_gives_two_maps():
    config = dict(model_type='dinov2', **KINDS['dinov2'] | dict(num_hidden_layers=2))
    assert HFBackbone(config=config).layers == (1, 2)


def test_layers_of_ones_own_choice(tmp_path):
    theirs = saved(tmp_path, 'dinov2')
    backbone = loaded(tmp_path, layers=[2, 4])
    image = torch.randn(1, 3, 56, 56)
    with torch.no_grad():
        found, expected = backbone(image), theirs(image).feature_maps
    assert [torch.allclose(each, expected[i], atol=1e-5) for each, i in zip(found, (1, 3), strict=True)] == [True] * 2


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({}, 'give model .* or config'),
        (dict(model='no/such/folder', local_files_only=True), "model='no/such/folder' cannot be had"),
        (dict(config=dict(model_type='nothing')), "config={'model_type': 'nothing'}"),
        (dict(config=dict(hidden_size=3)), "config={'hidden_size': 3}"),
        (dict(config=dict(model_type='bert')), 'bert'),
        (dict(config=dict(model_type='swin', **KINDS['swin']), layers=[0, 2]), r'layers=\[0, 2\] must be rising'),
        (dict(config=dict(model_type='swin', **KINDS['swin']), layers=[3, 5]), 'numbers from 1 to 4, for swin'),
        (dict(config=dict(model_type='swin', **KINDS['swin']), layers=[2, 1]), 'must be rising'),
    ],
)
def test_mistakes_are_answered(settings, message):
    with pytest.raises(InputError, match=message):
        HFBackbone(**settings)


def test_weights_that_lack_something_or_are_a_pickle_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    model = saved(tmp_path / 'lacking', 'dinov2')
    path = tmp_path / 'lacking' / 'model.safetensors'
    weights = load_file(path)
    weights.pop(next(key for key in weights if 'layer.1' in key and 'fc1.weight' in key))
    save_file(weights, path, metadata=dict(format='pt'))
    with pytest.raises(InputError, match=r'lacks 1 of its weights: .*layer\.1.*fc1'):
        loaded(tmp_path / 'lacking')
    folder = tmp_path / 'pickled'
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / 'pytorch_model.bin')
    with pytest.raises(InputError, match='safetensors'):
        loaded(folder)


@pytest.mark.parametrize('kind', ['HFBackbone', 'LightweightViT'])
def test_a_model_that_brings_code_is_refused_and_the_code_not_run(kind, tmp_path):
    config = dict(model_type='mine', auto_map=dict(AutoConfig='code.Mine', AutoModel='code.Model'))
    (tmp_path / 'config.json').write_text(json.dumps(config))
    (tmp_path / 'code.py').write_text(f'open({str(tmp_path / "ran")!r}, "w")')
    with pytest.raises(InputError, match='cannot be had'):
        if kind == 'HFBackbone':
            HFBackbone(model=str(tmp_path), local_files_only=True)
        else:
            LightweightViT(pretrained=dict(model=str(tmp_path), local_files_only=True)).init_weights()
    assert not (tmp_path / 'ran').exists()


def test_random_weights_beside_a_model_that_cannot_be_had_are_called_so(monkeypatch):
    from mapsage_mmseg.models.backbones import hf_backbone

    said = []
    monkeypatch.setattr(hf_backbone, 'print_log', lambda line, *_: said.append(line))
    config = dict(model_type='dinov2', **KINDS['dinov2'])
    backbone = HFBackbone(model='no/such/folder', config=config, local_files_only=True)
    assert 'RANDOM weights, nothing to teach' in said[0] and 'no/such/folder' in said[0]
    backbone.init_weights()
    assert backbone.channels == (48,) * 4
    with pytest.raises(InputError, match=r"model\.0: model='no/such/folder' cannot be had.*No teacher is trained"):
        refuse_untrained(torch.nn.Sequential(backbone))


def test_a_distillation_from_it(tmp_path):
    """Four maps through mmseg's pyramid, rows, and the frozen teacher's folded weights."""
    teacher = tiny.teacher()
    teacher.backbone = dict(type='HFBackbone', config=dict(model_type='dinov3_vit', **KINDS['dinov3_vit']), frozen=True)
    teacher.neck = dict(type='Feature2Pyramid', embed_dim=48, rescales=[4, 2, 1, 0.5], norm_cfg=dict(type='BN'))
    teacher.decode_head.in_channels = [48] * 4
    config = tiny.distill()
    config.teacher = teacher
    sources = [f'backbone:{i}' for i in range(4)]
    connector = [dict(type='mmrazor.ConvModuleConnector', in_channel='auto', out_channel=48, act_cfg=None)] * 4
    config.distiller.levels.feature.update(
        student=sources, teacher=[f'neck:{i}' for i in range(4)], connector=connector
    )
    config.distiller.levels.attention.teacher = 'backbone.rows.3'
    model = MODELS.build(config)
    model.build_teacher().init_weights()
    images = torch.randn(2, 3, 64, 64)
    records = {}
    for name in ('plain', 'frozen'):
        levels = list(model.distiller.levels)
        model.run_teacher(images, samples(), levels)
        records[name] = model.distiller.records('teacher', levels)
        model.distiller.forget()
        freeze_teacher(model, (64, 64))
    for key, record in records['plain'].items():
        torch.testing.assert_close(records['frozen'][key], record, atol=1e-5, rtol=1e-4)
    model.set_loss_weights(dict(task=1.0, distill=1.0, feature=1.0, attention=1.0))
    total, log = model.parse_losses(model.loss(images, samples()))
    total.backward()
    assert all(log[name] > 0 for name in ('task', 'distill', 'feature', 'attention'))
    assert all(parameter.grad is None for parameter in model.teacher.parameters())
