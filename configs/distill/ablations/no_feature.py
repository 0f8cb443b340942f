"""What the features add: improved.py without that level."""

_base_ = '../improved.py'
experiment = 'no_feature'
model = dict(distiller=dict(levels=dict(feature=None)))
