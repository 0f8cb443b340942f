"""Defaults of comparisons."""

CONTROL = 'no_distill'  # the experiment that others are compared with
MATTERS = 0.3  # mIoU, percent points: about what a run differs by when it is only repeated on another machine
