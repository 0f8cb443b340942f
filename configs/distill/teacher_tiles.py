"""The teacher for real tiles: over an EfficientNet-Lite2 stem with ImageNet weights (the extra [pretrained]), and for
longer. What --data-root takes by default.

    python tools/train.py configs/distill/teacher_tiles.py --data-root PATH
"""

_base_ = 'teacher.py'
model = dict(backbone=dict(stem=dict(type='EfficientNetLiteStem')))
# One rate for all: the stem is trained already.
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(
        custom_keys=dict(
            _delete_=True,
            pos_embed=dict(decay_mult=0.0),
            norm=dict(decay_mult=0.0),
            head=dict(lr_mult=1.0),
            connectors=dict(decay_mult=0.0),
        )
    ),
)
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
