"""The improved experiment on Potsdam: python tools/train.py configs/distill/potsdam/improved_potsdam.py"""

_base_ = ['../improved.py', '../../_base_/datasets/potsdam.py']
experiments = 'experiments/potsdam'
teacher_recipe, control = 'potsdam/teacher_potsdam.py', 'potsdam/no_distill_potsdam.py'
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
