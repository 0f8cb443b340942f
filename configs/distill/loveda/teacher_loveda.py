"""The teacher for LoveDA: python tools/train.py configs/distill/loveda/teacher_loveda.py"""

_base_ = ['../teacher_tiles.py', '../../_base_/datasets/loveda.py']
experiments = 'experiments/loveda'
data_preprocessor = _base_.crop
model = dict(data_preprocessor=_base_.crop, decode_head=_base_.head)
train_dataloader = dict(dataset=dict(_delete_=True, **_base_.train_data))
val_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
test_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
