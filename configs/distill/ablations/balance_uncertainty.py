"""Whether weights should be learned: improved.py with a log-variance for each term (Kendall et al. 2018)."""

_base_ = '../improved.py'
experiment = 'balance_uncertainty'
model = dict(balance='uncertainty')
