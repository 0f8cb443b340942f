"""As folder.py, for models that have learned from pictures before: scales from half to double, every quarter turn, and
mild changes of brightness, contrast and colour."""

_base_ = 'folder.py'
train_pipeline = [
    dict(type='LoadRasterImage'),
    dict(type='LoadRasterLabel'),
    dict(type='SeedDraws'),
    dict(type='RandomRescale', ratio_range=(0.5, 2.0)),
    dict(type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=0.9),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomQuarterTurn'),
    dict(
        type='PhotoMetricDistortion',
        brightness_delta=16,
        contrast_range=(0.8, 1.2),
        saturation_range=(0.75, 1.25),
        hue_delta=5,
    ),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
