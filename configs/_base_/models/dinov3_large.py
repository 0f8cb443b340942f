"""DINOv3-Large (Siméoni et al. 2025, arXiv:2508.10104), frozen, under mmseg's pyramid and our head.

Its weights come from the hub, where their licence has to be accepted, or from a folder (``backbone.model=<folder>``).
Where neither is there, `config` gives it random ones, and a warning says so.
"""

dinov3_large = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(
        type='HFBackbone',
        model='facebook/dinov3-vitl16-pretrain-lvd1689m',
        config=dict(
            model_type='dinov3_vit',
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            num_register_tokens=4,
        ),
        frozen=True,
    ),
    neck=dict(
        type='Feature2Pyramid',
        embed_dim=1024,
        rescales=[4, 2, 1, 0.5],
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    decode_head=dict(
        type='TaperedUPerHead',
        in_channels=[1024, 1024, 1024, 1024],
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
