"""The improved experiment on iSAID: python tools/train.py configs/distill/isaid/improved_isaid.py"""

_base_ = ['../improved.py', '../../_base_/datasets/isaid.py']
experiments = 'experiments/isaid'
teacher_recipe, control = 'isaid/teacher_isaid.py', 'isaid/no_distill_isaid.py'
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
