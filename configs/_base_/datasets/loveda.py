"""LoveDA (Wang et al. 2021, arXiv:2110.08733): 7 classes, 1024 x 1024 pixels; 0 in its masks is ignored.

Layout and augmentation are MMSegmentation's, validation is on whole images. MMEngine refuses a key that two bases have,
so this file cannot replace the built-in data by itself: every config over it repeats which part goes where.
"""

head = dict(num_classes=7)
crop = dict(size=(512, 512))
train_data = dict(
    type='LoveDADataset',
    data_root='data/loveDA',
    data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
    pipeline=[
        dict(type='LoadRasterImage'),
        dict(type='LoadRasterLabel'),
        dict(type='SeedDraws'),
        dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs'),
    ],
)
val_data = dict(
    type='LoveDADataset',
    data_root='data/loveDA',
    data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
    pipeline=[dict(type='LoadRasterImage'), dict(type='LoadRasterLabel'), dict(type='PackSegInputs')],
)
