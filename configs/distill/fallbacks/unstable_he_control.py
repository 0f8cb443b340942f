"""unstable_control.py with He's initialisation in the place of Xavier's."""

_base_ = 'unstable_control.py'
experiment = 'unstable_he_control'
init = dict(_delete_=True, type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='relu')
model = dict(backbone=dict(init_cfg=init))
