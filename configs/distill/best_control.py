"""The control of best.py: the same student at the same learning rate, without a teacher."""

_base_ = 'no_distill.py'
experiment = 'best_control'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
