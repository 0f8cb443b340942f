"""The student of segformer_b1.py alone, from labels only."""

_base_ = '../no_distill.py'
experiment = 'no_distill_segformer_b1'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b1_20220624-02e5a6a1.pth'
model = dict(
    backbone=dict(embed_dims=64, num_layers=[2, 2, 2, 2], init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
