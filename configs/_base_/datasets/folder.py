"""A folder of the user's own tiles (--data-root): 128 x 128 crops at 0.75 to 1.5 times their own scale, validation on
whole tiles."""

crop_size = (128, 128)
train_pipeline = [
    dict(type='LoadRasterImage'),
    dict(type='LoadRasterLabel'),
    dict(type='SeedDraws'),
    dict(type='RandomRescale', ratio_range=(0.75, 1.5)),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.9),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='LoadRasterImage'), dict(type='LoadRasterLabel'), dict(type='PackSegInputs')]
train_dataloader = dict(dataset=dict(type='FolderLandCover', split='train', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type='FolderLandCover', split='val', pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(type='FolderLandCover', split='val', pipeline=test_pipeline))
