"""Whether weights should hold the gradients in proportion: improved.py under GradNorm (Chen et al. 2018)."""

_base_ = '../improved.py'
experiment = 'balance_gradnorm'
model = dict(balance='gradnorm')
