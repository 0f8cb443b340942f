"""As folder.py, for models that have learned from pictures before: scales from half to double, every quarter turn, and
colours as another sun or camera would give them."""

_base_ = 'folder.py'
train_pipeline = [
    dict(type='LoadRasterImage'),
    dict(type='LoadRasterLabel'),
    dict(type='SeedDraws'),
    dict(type='RandomRescale', ratio_range=(0.5, 2.0)),
    dict(type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=0.9),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomQuarterTurn'),
    dict(type='RandomColourShift'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
