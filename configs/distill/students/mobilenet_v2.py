"""MobileNetV2 with DeepLabV3+, a CNN: activation maps stand in for self-attention."""

_base_ = ['../improved.py', '../../_base_/models/deeplabv3plus_mobilenet_v2.py']
experiment = 'improved_mobilenet_v2'
control = 'mobilenet_v2_control.py'
model = dict(architecture=dict(_delete_=True, **_base_.mobilenet_v2))
