"""SegFormer-B3, from ImageNet weights."""

_base_ = '../improved.py'
experiment = 'improved_segformer_b3'
control = 'segformer_b3_control.py'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b3_20220624-13b1141c.pth'
student = dict(
    backbone=dict(embed_dims=64, num_layers=[3, 4, 18, 3], init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
model = dict(architecture=student)
