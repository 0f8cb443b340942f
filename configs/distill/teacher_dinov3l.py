"""The teacher of baseline_dinov3l_segformer-b2.py: DINOv3-Large, frozen; what stands on it is trained."""

_base_ = ['teacher_tiles.py', '../_base_/models/dinov3_large.py']
model = dict(_delete_=True, data_preprocessor=_base_.data_preprocessor, **_base_.dinov3_large)
