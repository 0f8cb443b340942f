"""The student of unstable.py alone, from labels only: the same clipping, batch and initialisation."""

_base_ = '../no_distill.py'
experiment = 'unstable_control'
optim_wrapper = dict(clip_grad=dict(max_norm=0.5))
train_dataloader = dict(batch_size=2)
init = dict(type='Xavier', layer=['Conv2d', 'Linear'], distribution='uniform')
model = dict(backbone=dict(init_cfg=init))
