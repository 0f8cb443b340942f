"""A teacher of two: EfficientNet-Lite2 with two seeds, each asked for the eight turns and reflections of an image. For
distillations with the teacher cache (model.teacher_cache), which asks it once an image.

    python tools/train.py configs/distill/teacher_ensemble.py --data-root PATH
"""

_base_ = 'teacher_efficientnet_lite2.py'
members = [dict(recipe='teacher_efficientnet_lite2.py', seed=seed) for seed in (0, 1)]
model = dict(
    _delete_=True,
    type='SegmentorEnsemble',
    data_preprocessor=_base_.data_preprocessor,
    members=[_base_.efficientnet_lite2, _base_.efficientnet_lite2],
    views=8,
)
