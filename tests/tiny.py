"""Small models and configs that tests share; real modules, a few thousand parameters."""

from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch import nn

PREPROCESSOR = dict(
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(64, 64),
)
LOSS = dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True)


def student(classes=7):
    """SegFormer with one layer a stage, 8 to 64 channels."""
    return ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=PREPROCESSOR,
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=8,
            num_stages=4,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 2, 4, 8],
            drop_path_rate=0.1,
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=[8, 16, 32, 64],
            in_index=[0, 1, 2, 3],
            channels=16,
            dropout_ratio=0.1,
            num_classes=classes,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=LOSS,
        ),
        train_cfg={},
        test_cfg=dict(mode='whole'),
    )


def teacher(classes=7, stem='ConvStem'):
    """LightweightViT with two layers of 32 channels."""
    stem = dict(type=stem, channels=(4, 8, 8, 16)) if stem == 'ConvStem' else dict(type=stem)
    if stem['type'] == 'PatchStem':
        stem['embed_dims'] = 32
    return ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=PREPROCESSOR,
        backbone=dict(
            type='LightweightViT', embed_dims=32, num_layers=2, num_heads=2, stem=stem, out_channels=(8, 16, 32, 32)
        ),
        decode_head=dict(
            type='TaperedUPerHead',
            widths=(8, 8, 16, 16),
            pool_scales=(1, 2),
            in_channels=[8, 16, 32, 32],
            in_index=[0, 1, 2, 3],
            num_classes=classes,
            norm_cfg=dict(type='BN'),
            align_corners=False,
            loss_decode=LOSS,
        ),
        train_cfg={},
        test_cfg=dict(mode='whole'),
    )


def connectors(pairs=((8, 8), (16, 16), (32, 32), (64, 32))):
    return [
        dict(
            type='mmrazor.ConvModuleConnector',
            in_channel=before,
            out_channel=after,
            norm_cfg=dict(type='BN'),
            act_cfg=None,
        )
        for before, after in pairs
    ]


def levels():
    scales = [f'backbone:{i}' for i in range(4)]
    return dict(
        distill=dict(student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=dict(type='LogitKLLoss')),
        feature=dict(student=scales, teacher=scales, connector=connectors(), loss=dict(type='FeatureMSELoss')),
        attention=dict(
            student='backbone.layers.3.1.0.attn.attn:1',
            teacher='backbone.layers.1.attn.rows',
            loss=dict(type='AttentionKLLoss'),
        ),
    )


def distill(classes=7, **changes):
    """The pair above with all three levels; ``changes`` replace or add levels."""
    return ConfigDict(
        type='MultiLevelDistill',
        architecture=student(classes),
        teacher=teacher(classes),
        data_preprocessor=PREPROCESSOR,
        distiller=dict(type='MultiLevelDistillLoss', levels={**levels(), **changes}),
    )


@MODELS.register_module()
class CutOffLoss(nn.Module):
    """A mean squared error that lets go of the student after some calls."""

    def __init__(self, after):
        super().__init__()
        self.after, self.calls = after, 0

    def forward(self, student, teacher):
        self.calls += 1
        student = student.detach() if self.calls > self.after else student
        return (student - teacher).square().mean()
