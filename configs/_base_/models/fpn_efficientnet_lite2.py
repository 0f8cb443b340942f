"""A teacher from ImageNet weights: EfficientNet-Lite2 under SegFormer's head, 4.8 M parameters. The weights come with
the extra [pretrained]; nothing is downloaded."""

efficientnet_lite2 = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(type='EfficientNetLite', variant='lite2', drop_path_rate=0.1),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[24, 48, 120, 352],
        in_index=[0, 1, 2, 3],
        channels=256,
        dropout_ratio=0.1,
        num_classes=7,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg={},
    test_cfg=dict(mode='whole'),
)
