"""What the weights add: improved.py's losses under the baseline's weights, in one phase."""

_base_ = '../improved.py'
experiment = 'baseline_weights'
default_hooks = dict(
    phases=dict(phases=[dict(name='distill', begin=1, by='epoch', weights=dict(task=0.3, distill=0.7, feature=0.5))])
)
