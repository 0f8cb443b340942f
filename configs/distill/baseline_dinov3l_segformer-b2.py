"""The earlier experiment as it was: DINOv3-Large into SegFormer-B2, by the recipe of baseline.py. Its teacher was never
trained or checked; here it is trained first (teacher_dinov3l.py), and one without a score is refused.

    python tools/train.py configs/distill/baseline_dinov3l_segformer-b2.py --data-root PATH
"""

_base_ = ['baseline.py', '../_base_/models/dinov3_large.py']
experiment = 'baseline_dinov3l_segformer_b2'
control = 'students/segformer_b2_control.py'
teacher_recipe = 'teacher_dinov3l.py'
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b2_20220624-66e8bf70.pth'
model = dict(
    architecture=dict(
        backbone=dict(embed_dims=64, num_layers=[3, 4, 6, 3], init_cfg=dict(type='Pretrained', checkpoint=weights)),
        decode_head=dict(in_channels=[64, 128, 320, 512]),
    ),
    teacher=dict(_delete_=True, data_preprocessor=_base_.data_preprocessor, **_base_.dinov3_large),
    distiller=dict(levels=dict(feature=dict(connector=dict(out_channel=1024)))),
)
