"""EfficientNet-Lite0 from ImageNet weights learns from labels and from an EfficientNet-Lite2 that was trained on the
same tiles (the extra [pretrained]).

    python tools/train.py configs/distill/recommended.py --data-root PATH
    python tools/repeat.py configs/distill/recommended.py --data-root PATH    # three seeds, each with its control
"""

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/100e_pretrained.py',
    '../_base_/models/fpn_efficientnet_lite.py',
]
experiment = 'recommended'
control = 'recommended_control.py'
teacher_recipe = 'teacher_efficientnet_lite2.py'
tiles_dataset = 'folder_augmented.py'  # of configs/_base_/datasets: how --data-root's tiles are read
train_dataloader = dict(sampler=dict(at_least=600))  # a small folder, too, gives 15,000 steps of four images
model = dict(
    type='MultiLevelDistill',
    data_preprocessor=_base_.data_preprocessor,
    architecture=_base_.efficientnet_lite0,
    teacher=dict(data_preprocessor=_base_.data_preprocessor, **_base_.efficientnet_lite2),
    distiller=dict(
        type='MultiLevelDistillLoss',
        levels=dict(
            distill=dict(student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=dict(type='LogitKLLoss')),
            feature=dict(
                student=['backbone:0', 'backbone:1', 'backbone:2', 'backbone:3'],
                teacher=['backbone:0', 'backbone:1', 'backbone:2', 'backbone:3'],
                connector=[
                    dict(
                        type='mmrazor.ConvModuleConnector',
                        in_channel='auto',  # the student's
                        out_channel=channels,
                        norm_cfg=dict(type='SyncBN'),
                        act_cfg=None,
                    )
                    for channels in (24, 48, 120, 352)
                ],
                pair_weights=[0.1, 0.1, 0.5, 1.0],
                loss=dict(type='NormalizedFeatureLoss'),
            ),
        ),
    ),
)
default_hooks = dict(
    mean=dict(type='StudentMeanHook'),
    teacher=dict(type='TeacherHook'),
    phases=dict(
        type='PhaseAwareHook',
        phases=[dict(name='distill', begin=1, by='epoch', weights=dict(task=0.5, distill=1.0, feature=2.0))],
    ),
    temperature=dict(type='TemperatureHook', start=1.0, end=1.0, shape='linear', by='epoch'),
)
