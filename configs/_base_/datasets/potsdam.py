"""ISPRS Potsdam in cuts of 512 x 512 pixels: 6 classes; 0 in its masks is ignored. As loveda.py otherwise."""

head = dict(num_classes=6)
crop = dict(size=(512, 512))
train_data = dict(
    type='PotsdamDataset',
    data_root='data/potsdam',
    data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
    pipeline=[
        dict(type='LoadRasterImage'),
        dict(type='LoadRasterLabel'),
        dict(type='SeedDraws'),
        dict(type='RandomResize', scale=(512, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ],
)
val_data = dict(
    type='PotsdamDataset',
    data_root='data/potsdam',
    data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
    pipeline=[dict(type='LoadRasterImage'), dict(type='LoadRasterLabel'), dict(type='PackSegInputs')],
)
