"""best.py with its teacher in every step, where it sees the augmented crop and not the whole tile."""

_base_ = '../best.py'
experiment = 'best_live'
model = dict(teacher_cache=None)
