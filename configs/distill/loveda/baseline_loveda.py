"""The earlier recipe on LoveDA: python tools/train.py configs/distill/loveda/baseline_loveda.py"""

_base_ = ['../baseline.py', '../../_base_/datasets/loveda.py']
experiments = 'experiments/loveda'
teacher_recipe, control = 'loveda/teacher_loveda.py', 'loveda/no_distill_loveda.py'
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
