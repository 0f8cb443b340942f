"""The student of learning_rate.py alone, from labels only."""

_base_ = '../no_distill.py'
experiment = 'learning_rate_control'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
