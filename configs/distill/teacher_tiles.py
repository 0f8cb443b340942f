"""The teacher for real tiles, over a stem with ImageNet weights; what --data-root takes by default.

python tools/train.py configs/distill/teacher_tiles.py --data-root PATH
"""

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/25e_adamw.py',
    '../_base_/models/teacher_vit_pretrained.py',
]
experiment = 'teacher'
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.teacher)
optim_wrapper = dict(optimizer=dict(lr=2e-4, fused=True), paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0))))
train_cfg = dict(max_epochs=15, val_interval=5)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        T_max=15,
        begin=0,
        end=15,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(checkpoint=dict(interval=5))
