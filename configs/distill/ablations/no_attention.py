"""What self-attention adds: improved.py without that level."""

_base_ = '../improved.py'
experiment = 'no_attention'
model = dict(distiller=dict(levels=dict(attention=None)))
