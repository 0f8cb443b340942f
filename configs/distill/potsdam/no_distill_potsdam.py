"""The control on Potsdam: python tools/train.py configs/distill/potsdam/no_distill_potsdam.py"""

_base_ = ['../no_distill.py', '../../_base_/datasets/potsdam.py']
experiments = 'experiments/potsdam'
data_preprocessor = _base_.crop
model = dict(data_preprocessor=_base_.crop, decode_head=_base_.head)
train_dataloader = dict(dataset=dict(_delete_=True, **_base_.train_data))
val_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
test_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
