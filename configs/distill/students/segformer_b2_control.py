"""The student of segformer_b2.py alone, from labels only."""

_base_ = '../no_distill.py'
experiment = 'no_distill_segformer_b2'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b2_20220624-66e8bf70.pth'
model = dict(
    backbone=dict(embed_dims=64, num_layers=[3, 4, 6, 3], init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
