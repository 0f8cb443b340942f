"""best.py with a teacher that runs once, over whole tiles, and not in every step over the augmented crop: an epoch
costs little more than the student alone, so that there is time for twice as many (--epochs 50)."""

_base_ = '../best.py'
experiment = 'best_cached'
model = dict(teacher_cache=dict(keep='float16', levels=['distill', 'feature']))
