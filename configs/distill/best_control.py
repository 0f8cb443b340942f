"""The student of best.py alone, from labels only, at that recipe's rate."""

_base_ = 'no_distill.py'
experiment = 'best_control'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
