"""The student of segformer_b0_pretrained.py alone, from labels only."""

_base_ = '../no_distill.py'
experiment = 'no_distill_segformer_b0_pretrained'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth'
model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=weights)))
