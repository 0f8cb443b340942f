"""The student of segnext_tiny.py alone, from labels only."""

_base_ = ['../no_distill.py', '../../_base_/models/mscan_tiny.py']
experiment = 'no_distill_segnext_tiny'
model = dict(_delete_=True, data_preprocessor=_base_.data_preprocessor, **_base_.segnext_tiny)
