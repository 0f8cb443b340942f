"""The student of recommended_segformer_b0.py alone, from labels only; everything but the teacher as there."""

_base_ = ['../recommended_control.py', '../../_base_/models/segformer_b0.py']
experiment = 'recommended_segformer_b0_control'
model = dict(_delete_=True, data_preprocessor=_base_.data_preprocessor, **_base_.student)
optim_wrapper = dict(
    optimizer=dict(lr=5e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0), connectors=dict(lr_mult=1.0))),
)
default_hooks = dict(mean=dict(momentum=0.0))
