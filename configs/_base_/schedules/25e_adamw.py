"""25 epochs, AdamW lr 1e-4, weight decay 0.01, cosine to 1 % of each group's lr, gradient norm clipped at 1.0."""

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.01),
    # As MMSegmentation's SegFormer configs; `pos_embed` is the ViT's, where MiT has none.
    paramwise_cfg=dict(
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0),
            norm=dict(decay_mult=0.0),
            head=dict(lr_mult=10.0),
            # As the head: they start from nothing. At the backbone's rate they explain 4 % of the teacher's features at
            # the end of a run, and what they ask of the student is noise.
            connectors=dict(decay_mult=0.0, lr_mult=10.0),
            # Log-variances of model.balance='uncertainty': scalars that have to go some units, 1e-4 at most a step.
            balance=dict(decay_mult=0.0, lr_mult=100.0),
        )
    ),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        T_max=25,
        begin=0,
        end=25,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=25, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
