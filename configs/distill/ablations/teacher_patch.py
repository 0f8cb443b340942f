"""The teacher of patch_teacher.py: plain 16x16 patches, trained from nothing for as long as teacher_tiles.py."""

_base_ = '../teacher.py'
model = dict(backbone=dict(stem=dict(type='PatchStem')))
train_cfg = dict(max_epochs=15, val_interval=5)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=15, eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True)
]
default_hooks = dict(checkpoint=dict(interval=5))
