"""What the student's learning rate does: improved.py at five times the published one. Its control has that rate too."""

_base_ = '../improved.py'
experiment = 'learning_rate'
control = 'learning_rate_control.py'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
