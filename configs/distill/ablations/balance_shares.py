"""Whether weights should be shares: improved.py with each term divided by its running mean (model.balance)."""

_base_ = '../improved.py'
experiment = 'balance_shares'
model = dict(balance='shares')
