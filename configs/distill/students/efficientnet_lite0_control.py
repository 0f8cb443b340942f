"""The student of efficientnet_lite0.py alone, from labels only."""

_base_ = ['../no_distill.py', '../../_base_/models/fpn_efficientnet_lite.py']
experiment = 'no_distill_efficientnet_lite0'
model = dict(_delete_=True, data_preprocessor=_base_.data_preprocessor, **_base_.efficientnet_lite0)
