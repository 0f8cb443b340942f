"""For a run whose loss jumps: the gradient clipped at half the norm, two images a batch, Xavier's initialisation."""

_base_ = '../improved.py'
experiment = 'unstable'
control = 'fallbacks/unstable_control.py'
optim_wrapper = dict(clip_grad=dict(max_norm=0.5))
train_dataloader = dict(batch_size=2)
init = dict(type='Xavier', layer=['Conv2d', 'Linear'], distribution='uniform')
model = dict(architecture=dict(backbone=dict(init_cfg=init)))
