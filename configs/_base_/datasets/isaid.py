"""iSAID (Zamir et al. 2019, arXiv:1905.12886) in cuts of 896 x 896 pixels: 15 classes and the background. As loveda.py
otherwise."""

head = dict(num_classes=16)
crop = dict(size=(896, 896))
train_data = dict(
    type='iSAIDDataset',
    data_root='data/iSAID',
    data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
    pipeline=[
        dict(type='LoadRasterImage'),
        dict(type='LoadRasterLabel'),
        dict(type='SeedDraws'),
        dict(type='RandomResize', scale=(896, 896), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(896, 896), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ],
)
val_data = dict(
    type='iSAIDDataset',
    data_root='data/iSAID',
    data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
    pipeline=[dict(type='LoadRasterImage'), dict(type='LoadRasterLabel'), dict(type='PackSegInputs')],
)
