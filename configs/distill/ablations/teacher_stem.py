"""The teacher of stem_teacher.py: an untrained convolutional stem, trained for as long as teacher_tiles.py."""

_base_ = '../teacher.py'
train_cfg = dict(max_epochs=15, val_interval=5)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=15, eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True)
]
default_hooks = dict(checkpoint=dict(interval=5))
