"""The control: SegFormer-B0 alone, from labels only; everything but the teacher as in improved.py.

python tools/train.py configs/distill/no_distill.py
"""

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/25e_adamw.py',
    '../_base_/models/segformer_b0.py',
]
experiment = 'no_distill'
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.student)
