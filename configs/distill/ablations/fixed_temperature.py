"""What the falling temperature adds: improved.py at a fixed 4."""

_base_ = '../improved.py'
experiment = 'fixed_temperature'
default_hooks = dict(temperature=dict(shape='constant', start=4.0))
