"""Defaults of comparisons."""

CONTROL = 'no_distill'  # the experiment that others are compared with
SEEDS = 3  # minimum number of seeds to distinguish a difference from chance
MATTERS = 0.3  # mIoU, percentage points: about the difference when the same run is repeated on another machine
