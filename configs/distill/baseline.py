"""The experiment that improved.py improves on, with the same teacher and student: one phase, fixed temperature, and a
KL summed over pixels (batchmean), which makes it nearly all of the total.

    python tools/train.py configs/distill/baseline.py
"""

_base_ = '../_base_/distill/multi_level.py'
experiment = 'baseline_distill'
model = dict(
    distiller=dict(
        levels=dict(
            distill=dict(loss=dict(reduction='batchmean')),
            feature=dict(
                _delete_=True,
                student='backbone:3',
                teacher='backbone:3',
                connector=dict(
                    type='mmrazor.ConvModuleConnector',
                    in_channel='auto',
                    out_channel=384,
                    norm_cfg=dict(type='SyncBN'),
                    act_cfg=None,
                ),
                loss=dict(type='FeatureMSELoss'),
            ),
            attention=None,
        )
    )
)
default_hooks = dict(
    phases=dict(phases=[dict(name='distill', begin=1, by='epoch', weights=dict(task=0.3, distill=0.7, feature=0.5))]),
    temperature=dict(shape='constant', start=4.0),
)
