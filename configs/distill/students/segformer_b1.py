"""SegFormer-B1, from ImageNet weights."""

_base_ = '../improved.py'
experiment = 'improved_segformer_b1'
control = 'segformer_b1_control.py'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b1_20220624-02e5a6a1.pth'
student = dict(
    backbone=dict(embed_dims=64, num_layers=[2, 2, 2, 2], init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
model = dict(architecture=student)
