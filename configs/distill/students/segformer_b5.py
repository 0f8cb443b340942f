"""SegFormer-B5, from ImageNet weights."""

_base_ = '../improved.py'
experiment = 'improved_segformer_b5'
control = 'segformer_b5_control.py'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b5_20220624-658746d9.pth'
student = dict(
    backbone=dict(embed_dims=64, num_layers=[3, 6, 40, 3], init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
model = dict(architecture=student)
