"""SegFormer-B0 that starts from ImageNet weights. With a file in place of the address:

--cfg-options model.architecture.backbone.init_cfg.checkpoint=mit_b0.pth
"""

_base_ = '../improved.py'
experiment = 'improved_segformer_b0_pretrained'
control = 'segformer_b0_pretrained_control.py'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth'
model = dict(architecture=dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=weights))))
