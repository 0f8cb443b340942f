"""TimmStem: timm's own features of the image in timm's own normalisation, from weights in a file."""

import builtins
import sys

import pytest
import torch
from mmseg.registry import MODELS
from safetensors.torch import save_file

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.normalisation import IMAGENET_MEAN, IMAGENET_STD

try:
    import timm
except Exception:  # a torchvision that does not go with torch raises RuntimeError
    timm = None
needs_timm = pytest.mark.skipif(timm is None, reason='needs timm and a torchvision that goes with torch')


def stem(model, **settings):
    return MODELS.build(dict(type='TimmStem', model=model, **settings))


@needs_timm
@pytest.mark.parametrize('name', ['resnet10t', 'mobilenetv3_small_050', 'convnext_atto', 'efficientnet_lite0'])
def test_maps_are_timms_own_of_the_image_as_timm_wants_it(name, tmp_path):
    torch.manual_seed(0)
    whole = timm.create_model(name).eval()
    save_file(whole.state_dict(), tmp_path / 'weights.safetensors')
    mine = stem(name, weights=str(tmp_path / 'weights.safetensors'))
    mine.init_weights()
    mine.eval()
    reductions = [info['reduction'] for info in whole.feature_info]
    taken = [reductions.index(stride) for stride in (4, 8, 16)]
    pixels = torch.randint(0, 256, (1, 3, 48, 80)).float()
    column = lambda values: torch.tensor(values).view(1, 3, 1, 1)  # noqa: E731
    given = (pixels - column(IMAGENET_MEAN)) / column(IMAGENET_STD)
    card = whole.pretrained_cfg
    wanted = (pixels / 255 - column(card['mean'])) / column(card['std'])
    with torch.no_grad():
        theirs = whole.forward_intermediates(wanted, indices=taken, intermediates_only=True)
        for stride, channels, found, expected in zip((4, 8, 16), mine.channels, mine(given), theirs, strict=True):
            assert found.shape == (1, channels, 48 // stride, 80 // stride)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@needs_timm
@pytest.mark.parametrize('size', [(33, 65), (64, 64)])
def test_a_vit_over_it_takes_any_size_and_any_bands(size):
    config = dict(type='LightweightViT', embed_dims=32, num_layers=1, num_heads=2, out_channels=(8, 16, 32, 32))
    model = MODELS.build({**config, 'stem': dict(type='TimmStem', model='resnet10t', in_channels=5, input_mean=None)})
    maps = model.eval()(torch.rand(1, 5, *size))
    assert [each.shape[1] for each in maps] == [8, 16, 32, 32]
    assert maps[0].shape[-2:] == tuple(-(-side // 4) for side in size)


@needs_timm
def test_what_timm_does_not_know_or_does_not_fit_is_named(tmp_path):
    with pytest.raises(InputError, match="model='resnet1000': Unknown model"):
        stem('resnet1000')
    with pytest.raises(InputError, match='expected 4, 8 and 16 among them'):
        stem('vit_tiny_patch16_224')
    with pytest.raises(InputError, match=r'none\.pth'):
        stem('resnet10t', weights=str(tmp_path / 'none.pth')).init_weights()
    save_file({'head.weight': torch.ones(1)}, tmp_path / 'other.safetensors')
    with pytest.raises(
        InputError, match=r'other\.safetensors has no weights for \d+ tensors of resnet10t, .* the first'
    ):
        stem('resnet10t', weights=str(tmp_path / 'other.safetensors')).init_weights()


def test_without_timm_the_extra_is_named(monkeypatch):
    real = builtins.__import__
    monkeypatch.delitem(sys.modules, 'timm', raising=False)

    def absent(name, *args, **kwargs):
        if name == 'timm':
            raise RuntimeError('operator torchvision::nms does not exist')
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', absent)
    with pytest.raises(InputError, match=r'mapsage_mmseg\[timm\].*RuntimeError: operator torchvision::nms'):
        stem('resnet18')
