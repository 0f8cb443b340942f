"""The improved experiment: five epochs from labels alone, then three levels of distillation at a falling temperature.

    python tools/train.py configs/distill/improved.py
    python tools/train.py configs/distill/improved.py --data-root PATH    # on tiles of your own

The first run trains the teacher too; later runs find it. Later: tensorboard --logdir experiments
"""

_base_ = '../_base_/distill/multi_level.py'
experiment = 'improved_distill'
