"""The control on Vaihingen: python tools/train.py configs/distill/vaihingen/no_distill_vaihingen.py"""

_base_ = ['../no_distill.py', '../../_base_/datasets/vaihingen.py']
experiments = 'experiments/vaihingen'
data_preprocessor = _base_.crop
model = dict(data_preprocessor=_base_.crop, decode_head=_base_.head)
train_dataloader = dict(dataset=dict(_delete_=True, **_base_.train_data))
val_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
test_dataloader = dict(dataset=dict(_delete_=True, **_base_.val_data))
