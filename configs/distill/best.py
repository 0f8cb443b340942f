"""The recipe that did best on held-out training scenes so far: features as heavy as the task, no phase of labels alone.

    python tools/train.py configs/distill/best.py --data-root PATH
    python tools/repeat.py configs/distill/best.py --seeds 0 1 2 --data-root PATH    # with its control, best_control.py

The published constants stand in improved.py; this one gives them up, the learning rate included.
"""

_base_ = 'improved.py'
experiment = 'best'
control = 'best_control.py'
model = dict(distiller=dict(levels=dict(attention=None)))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(
    phases=dict(phases=[dict(name='distill', begin=1, by='epoch', weights=dict(task=0.5, distill=1.0, feature=1.0))]),
    temperature=dict(start=4.0, end=2.0),
)
