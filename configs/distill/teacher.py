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
publish_teacher = True  # kept where distillations look for it, under its recipe and data
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.teacher)
# Scenes cost nothing to draw, so the teacher sees each of 480 three times where the student sees 96 over and over.
train_dataloader = dict(dataset=dict(length=480))
train_cfg = dict(max_epochs=3, val_interval=3)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        T_max=3,
        begin=0,
        end=3,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
# Untrained convolutions want a higher rate than the transformer's blocks (named `layers`): mIoU 32.2 against 26.9 with
# one rate of 3e-4 for all, after 240 steps, one seed.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, fused=True),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0), layers=dict(lr_mult=0.3))),
)
