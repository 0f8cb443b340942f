"""SegFormer-B4, from ImageNet weights."""

_base_ = '../improved.py'
experiment = 'improved_segformer_b4'
control = 'segformer_b4_control.py'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b4_20220624-d588d980.pth'
student = dict(
    backbone=dict(embed_dims=64, num_layers=[3, 8, 27, 3], init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
model = dict(architecture=student)
