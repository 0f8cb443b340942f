"""The student of mobilenet_v2.py alone, from labels only."""

_base_ = ['../no_distill.py', '../../_base_/models/deeplabv3plus_mobilenet_v2.py']
experiment = 'no_distill_mobilenet_v2'
model = dict(_delete_=True, data_preprocessor=_base_.data_preprocessor, **_base_.mobilenet_v2)
