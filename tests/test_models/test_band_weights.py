"""Pretrained weights of three bands under a backbone of others."""

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from tests import tiny


def test_each_band_starts_from_the_mean_and_the_rest_as_it_was(tmp_path):
    init_default_scope('mmseg')
    settings = tiny.student().backbone
    of_three = MODELS.build(settings).state_dict()
    first = next(name for name, weight in of_three.items() if weight.ndim == 4 and weight.shape[1] == 3)
    torch.save(of_three, tmp_path / 'three.pth')
    start = dict(type='Pretrained', checkpoint=str(tmp_path / 'three.pth'))
    for count in (3, 1, 4):
        backbone = MODELS.build({**settings, 'in_channels': count, 'init_cfg': start})
        backbone.init_weights()
        for name, weight in backbone.state_dict().items():
            expected = of_three[name]
            if name == first and count != 3:
                expected = torch.stack([expected.mean(1)] * count, 1) * 3 / count
            torch.testing.assert_close(weight, expected)
    grey = torch.rand(1, 1, 32, 32)
    backbone.eval()
    whole = MODELS.build({**settings, 'init_cfg': start})
    whole.init_weights()
    for ours, its in zip(backbone(grey.repeat(1, 4, 1, 1)), whole.eval()(grey.repeat(1, 3, 1, 1)), strict=True):
        torch.testing.assert_close(ours, its, rtol=1e-4, atol=1e-5)
