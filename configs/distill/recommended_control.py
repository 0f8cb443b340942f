"""The student of recommended.py alone, from labels only; everything but the teacher as there."""

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/100e_pretrained.py',
    '../_base_/models/fpn_efficientnet_lite.py',
]
experiment = 'recommended_control'
tiles_dataset = 'folder_augmented.py'
train_dataloader = dict(sampler=dict(at_least=600))
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.efficientnet_lite0)
default_hooks = dict(mean=dict(type='StudentMeanHook'))
