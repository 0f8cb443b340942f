"""What stands between a student's feature and its teacher's."""

import pytest
import torch
from torch import nn

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.connectors import ConvStackConnector


@pytest.mark.parametrize(('layers', 'kernels'), [(1, [1]), (2, [3, 1]), (3, [3, 3, 1])])
def test_layers_and_shapes(layers, kernels):
    connector = ConvStackConnector(4, 6, num_layers=layers, norm_cfg=dict(type='BN'))
    assert connector(torch.randn(2, 4, 5, 7)).shape == (2, 6, 5, 7)
    found = [module.kernel_size[0] for module in connector.modules() if isinstance(module, nn.Conv2d)]
    assert found == kernels


def test_three_layers_see_two_pixels_far_and_one_layer_none():
    for layers, reach in ((1, 0), (3, 2)):
        connector = ConvStackConnector(2, 3, num_layers=layers, norm_cfg=dict(type='BN')).eval()
        image = torch.randn(1, 2, 9, 9, requires_grad=True)
        connector(image)[0, :, 4, 4].sum().backward()
        touched = image.grad[0].abs().sum(0).nonzero()
        assert touched.min() == 4 - reach and touched.max() == 4 + reach


def test_no_layer_is_refused():
    with pytest.raises(InputError, match='num_layers=0'):
        ConvStackConnector(2, 3, num_layers=0)
