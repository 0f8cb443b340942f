"""The student of stalled.py alone, from labels only, at the same learning rate."""

_base_ = '../no_distill.py'
experiment = 'stalled_control'
optim_wrapper = dict(optimizer=dict(lr=2e-4))
