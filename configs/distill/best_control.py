"""The student of best.py alone, from labels only, at that recipe's rate and length."""

_base_ = 'no_distill.py'
experiment = 'best_control'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_epochs=50)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        T_max=50,
        begin=0,
        end=50,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
