"""SegNeXt-T: convolutional attention, so activation maps stand in for self-attention."""

_base_ = ['../improved.py', '../../_base_/models/mscan_tiny.py']
experiment = 'improved_segnext_tiny'
control = 'segnext_tiny_control.py'
model = dict(architecture=dict(_delete_=True, **_base_.segnext_tiny))
