"""The built-in data's teacher: LightweightViT over an untrained convolutional stem; 48.9 M parameters with its head."""

teacher = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(type='LightweightViT', embed_dims=384, num_layers=8, num_heads=6, stem=dict(type='ConvStem')),
    decode_head=dict(
        type='TaperedUPerHead',
        in_channels=[96, 192, 384, 384],
        in_index=[0, 1, 2, 3],
        dropout_ratio=0.1,
        num_classes=7,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg={},
    test_cfg=dict(mode='whole'),
)
