"""Whether the sum of the weights matters: improved.py with those of its second phase scaled to the baseline's 1.5."""

_base_ = '../improved.py'
experiment = 'equal_weight_sums'
scale = 1.5 / 1.05
weights = dict(task=0.6 * scale, distill=0.3 * scale, feature=0.1 * scale, attention=0.05 * scale)
default_hooks = dict(
    phases=dict(
        phases=[
            dict(name='task', begin=1, end=5, by='epoch', weights=dict(task=1.5)),
            dict(name='distill', begin=6, by='epoch', weights=weights),
        ]
    )
)
