"""Three levels: logits, features at four scales, self-attention; phases and temperature of the improved experiment."""

_base_ = [
    '../datasets/synthetic.py',
    '../default_runtime.py',
    '../schedules/25e_adamw.py',
    '../models/segformer_b0.py',
    '../models/teacher_vit.py',
]
teacher_recipe = 'teacher.py'  # trains the teacher that teacher_ckpt='auto' finds
model = dict(
    type='MultiLevelDistill',
    data_preprocessor=_base_.data_preprocessor,
    architecture=_base_.student,
    teacher=dict(data_preprocessor=_base_.data_preprocessor, **_base_.teacher),
    teacher_ckpt='auto',
    teacher_check='error',
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
                    for channels in (96, 192, 384, 384)
                ],
                loss=dict(type='FeatureMSELoss'),
            ),
            attention=dict(
                student='backbone.layers.3.1.1.attn.attn:1',
                teacher='backbone.layers.7.attn.rows',
                loss=dict(type='AttentionKLLoss'),
                fallback=dict(  # for students without that module
                    student='backbone:3', teacher='backbone:3', loss=dict(type='ActivationAttentionLoss')
                ),
            ),
        ),
    ),
)
default_hooks = dict(
    teacher=dict(type='TeacherHook'),
    phases=dict(
        type='PhaseAwareHook',
        phases=[
            dict(name='task', begin=1, end=5, by='epoch', weights=dict(task=1.0)),
            dict(name='distill', begin=6, by='epoch', weights=dict(task=0.6, distill=0.3, feature=0.1, attention=0.05)),
        ],
    ),
    temperature=dict(type='TemperatureHook', start=6.0, end=3.0, shape='linear', by='epoch'),
)
