"""What the logits add: improved.py without that level."""

_base_ = '../improved.py'
experiment = 'no_logits'
model = dict(distiller=dict(levels=dict(distill=None)))
