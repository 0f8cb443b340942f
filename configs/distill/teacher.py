"""The built-in data's teacher. tools/train.py trains it by itself where a distillation needs it; this is how, and how
to make it on purpose.

    python tools/train.py configs/distill/teacher.py
"""

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/25e_adamw.py',
    '../_base_/models/teacher_vit.py',
]
experiment = 'teacher'
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.teacher)
optim_wrapper = dict(optimizer=dict(lr=3e-4), paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0))))
