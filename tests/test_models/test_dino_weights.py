"""A DINO ViT as the start of LightweightViT: layers that compute the same, and every tensor accounted for."""

import pytest
import torch

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.backbones import LightweightViT, dino_weights
from mapsage_mmseg.models.backbones.dino_weights import spread

transformers = pytest.importorskip('transformers', reason='needs the extra [hf]')

SIZES = dict(hidden_size=48, num_hidden_layers=6, num_attention_heads=3)
KINDS = dict(
    dinov2=dict(SIZES, image_size=56, patch_size=14),
    dinov2_with_registers=dict(SIZES, image_size=56, patch_size=14),
    dinov3_vit=dict(SIZES, intermediate_size=192, num_register_tokens=4),
)


def saved(folder, kind, **changes):
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **{**KINDS[kind], **changes}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    return model.eval()


def started(folder, layers=None, num_layers=3, stem='PatchStem', **sizes):
    stem = dict(type=stem, embed_dims=48) if stem == 'PatchStem' else dict(type=stem, channels=(4, 8, 8, 48))
    pretrained = dict(model=str(folder), layers=layers, local_files_only=True)
    sizes = dict(embed_dims=48, num_heads=3, out_channels=(8, 8, 48, 48)) | sizes
    vit = LightweightViT(num_layers=num_layers, stem=stem, pretrained=pretrained, pos_grid=4, **sizes)
    vit.init_weights()
    return vit.eval()


def theirs(model, number, tokens):
    """One of transformers' own layers, DINOv3's without turning queries and keys."""
    layer = [module for name, module in model.named_modules() if name.endswith(f'layer.{number - 1}')][0]
    if model.config.model_type != 'dinov3_vit':
        out = layer(tokens)
    else:
        still = torch.ones(tokens.shape[1], 16), torch.zeros(tokens.shape[1], 16)
        out = layer(tokens, position_embeddings=still)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(('layers', 'numbers'), [(None, (2, 4, 6)), ([1, 2, 6], (1, 2, 6))])
def test_layers_compute_what_the_models_own_do(kind, layers, numbers, tmp_path):
    model, vit = saved(tmp_path, kind), started(tmp_path, layers)
    tokens = torch.randn(2, 9, 48)
    with torch.no_grad():
        for block, number in zip(vit.layers, numbers, strict=True):
            torch.testing.assert_close(block(tokens), theirs(model, number, tokens), atol=1e-5, rtol=1e-4)


def test_patches_of_16_pixels_are_the_models_own(tmp_path):
    model, vit = saved(tmp_path, 'dinov3_vit'), started(tmp_path)
    image = torch.randn(1, 3, 32, 48)
    expected = model.embeddings(image)[:, 5:]
    torch.testing.assert_close(vit.stem.projection(image).flatten(2).transpose(1, 2), expected, atol=1e-5, rtol=1e-4)
    assert not vit.pos_embed.any()


def test_patches_of_14_pixels_are_resized_and_positions_are_laid_on_our_grid(tmp_path):
    model, vit = saved(tmp_path, 'dinov2'), started(tmp_path)
    ones = torch.ones(1, 3, 56, 56)
    before = model.embeddings.patch_embeddings(ones).mean(dim=1).squeeze()
    after = vit.stem.projection(torch.ones(1, 3, 64, 64)).mean(dim=(2, 3)).squeeze()
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.95
    grid = model.embeddings.position_embeddings[:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(vit.pos_embed, torch.nn.Parameter(grid.detach()))


def test_every_tensor_that_is_not_taken_is_named(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(dino_weights, 'print_log', lambda line, *_: said.append(line))
    model = saved(tmp_path, 'dinov2')
    started(tmp_path, layers=[1, 2, 3, 4, 5, 6], num_layers=6)
    assert said[0].endswith('not taken: embeddings.cls_token, embeddings.mask_token')
    started(tmp_path, layers=[1, 2, 3])
    left = said[1].partition('not taken: ')[2].split(', ')
    assert {name for name in model.state_dict() if '.layer.5.' in name} < set(left)
    started(tmp_path, stem='ConvStem')
    assert 'embeddings.patch_embeddings' in said[2] and 'position_embeddings' in said[2]


def test_layers_are_spread_evenly():
    assert spread(8, 12) == (2, 3, 4, 6, 8, 9, 10, 12)
    assert spread(4, 4) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(layers=[1, 2]), r'layers=\[1, 2\]: 3 are needed'),
        (dict(layers=[1, 2, 7]), 'has no layer 7'),
        (dict(num_heads=4), '48 channels and 3 heads, LightweightViT has embed_dims=48 and num_heads=4'),
    ],
)
def test_what_does_not_fit_is_refused(settings, message, tmp_path):
    saved(tmp_path, 'dinov2')
    with pytest.raises(InputError, match=message):
        started(tmp_path, **settings)


def test_another_kind_or_none_is_refused(tmp_path):
    sizes = dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    transformers.AutoModel.from_config(transformers.AutoConfig.for_model('convnext', **sizes)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match='a convnext cannot start it'):
        started(tmp_path)
    with pytest.raises(InputError, match='cannot be had'):
        started(tmp_path / 'nothing')
