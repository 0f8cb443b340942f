"""SegFormer-B0 from scratch under the teacher of recommended.py.

python tools/repeat.py configs/distill/students/recommended_segformer_b0.py --data-root PATH
"""

_base_ = ['../recommended.py', '../../_base_/models/segformer_b0.py']
experiment = 'recommended_segformer_b0'
control = 'recommended_segformer_b0_control.py'
model = dict(architecture=dict(_delete_=True, **_base_.student))
optim_wrapper = dict(
    optimizer=dict(lr=5e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0), connectors=dict(lr_mult=1.0))),
)
default_hooks = dict(mean=dict(momentum=0.0))  # off: a mean lags behind weights that move so far
