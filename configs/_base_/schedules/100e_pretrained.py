"""100 epochs for models that start from ImageNet weights: AdamW lr 2e-4, five times that for what starts from nothing,
weight decay 0.01, cosine to 1 %, gradient norm clipped at 1.0."""

_base_ = '25e_adamw.py'
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=5.0), connectors=dict(lr_mult=5.0))),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        T_max=100,
        begin=0,
        end=100,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=100, val_interval=4)
