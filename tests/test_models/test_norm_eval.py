import pytest
from torch.nn import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from mapsage_mmseg.models.backbones.efficientnet_lite import EfficientNetLite
from mapsage_mmseg.models.backbones.stems import EfficientNetLiteStem


@pytest.mark.parametrize('kind', [EfficientNetLite, EfficientNetLiteStem])
@pytest.mark.parametrize('norm_eval', [True, False])
@pytest.mark.parametrize('synchronised', [True, False])
def test_batch_norms_keep_their_statistics_where_they_are_told_to(kind, norm_eval, synchronised):
    module = kind(pretrained=False, norm_eval=norm_eval)
    module = SyncBatchNorm.convert_sync_batchnorm(module) if synchronised else module
    norms = [each for each in module.train().modules() if isinstance(each, _BatchNorm)]
    assert module.training and norms and all(norm.training is not norm_eval for norm in norms)
