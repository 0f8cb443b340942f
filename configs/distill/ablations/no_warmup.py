"""What the five epochs from labels alone add: improved.py with every level on from the first."""

_base_ = '../improved.py'
experiment = 'no_warmup'
default_hooks = dict(
    phases=dict(
        phases=[dict(name='distill', begin=1, weights=dict(task=0.6, distill=0.3, feature=0.1, attention=0.05))]
    )
)
