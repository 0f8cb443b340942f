"""A teacher for real tiles, over the whole of EfficientNet-Lite2 with its ImageNet weights (the extra [pretrained]).
What recommended.py learns from.

    python tools/train.py configs/distill/teacher_efficientnet_lite2.py --data-root PATH
"""

_base_ = [
    '../_base_/datasets/synthetic.py',
    '../_base_/default_runtime.py',
    '../_base_/schedules/100e_pretrained.py',
    '../_base_/models/fpn_efficientnet_lite.py',
]
experiment = 'teacher'
publish_teacher = True  # kept where distillations look for it, under its recipe and data
tiles_dataset = 'folder_augmented.py'  # of configs/_base_/datasets: how --data-root's tiles are read
model = dict(data_preprocessor=_base_.data_preprocessor, **_base_.efficientnet_lite2)
train_dataloader = dict(sampler=dict(at_least=600))  # a small folder, too, gives 15,000 steps of four images
train_cfg = dict(val_interval=10)
default_hooks = dict(mean=dict(type='StudentMeanHook'))
