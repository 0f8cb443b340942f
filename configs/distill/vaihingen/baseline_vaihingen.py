"""The earlier recipe on Vaihingen: python tools/train.py configs/distill/vaihingen/baseline_vaihingen.py"""

_base_ = ['../baseline.py', '../../_base_/datasets/vaihingen.py']
experiments = 'experiments/vaihingen'
teacher_recipe, control = 'vaihingen/teacher_vaihingen.py', 'vaihingen/no_distill_vaihingen.py'
data_preprocessor = _base_.crop
model = dict(
    data_preprocessor=_base_.crop,
    architecture=dict(decode_head=_base_.head),
    teacher=dict(
        data_preprocessor=_base_.crop, backbone=dict(stem=dict(type='EfficientNetLiteStem')), decode_head=_base_.head
    ),
)
train_dataloader = dict(dataset=dict(_delete_=True, **_base_.train_data))
val_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
test_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
