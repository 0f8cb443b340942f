"""EfficientNet-Lite0 from ImageNet weights (the extra [pretrained]), by the published constants.

python tools/repeat.py configs/distill/students/efficientnet_lite0.py --data-root PATH
"""

_base_ = ['../improved.py', '../../_base_/models/fpn_efficientnet_lite.py']
experiment = 'improved_efficientnet_lite0'
control = 'efficientnet_lite0_control.py'
model = dict(architecture=dict(_delete_=True, **_base_.efficientnet_lite0))
