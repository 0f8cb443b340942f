"""unstable.py with He's initialisation in the place of Xavier's."""

_base_ = 'unstable.py'
experiment = 'unstable_he'
control = 'fallbacks/unstable_he_control.py'
init = dict(_delete_=True, type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='relu')
model = dict(architecture=dict(backbone=dict(init_cfg=init)))
