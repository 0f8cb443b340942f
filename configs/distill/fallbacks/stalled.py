"""For a run whose task loss does not fall: longer from labels alone, a higher rate, more weight on the task."""

_base_ = '../improved.py'
experiment = 'stalled'
control = 'fallbacks/stalled_control.py'
optim_wrapper = dict(optimizer=dict(lr=2e-4))
default_hooks = dict(
    phases=dict(
        phases=[
            dict(name='task', begin=1, end=8, by='epoch', weights=dict(task=1.0)),
            dict(name='distill', begin=9, by='epoch', weights=dict(task=0.8, distill=0.3, feature=0.1, attention=0.05)),
        ]
    )
)
