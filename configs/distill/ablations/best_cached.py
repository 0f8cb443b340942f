"""best.py with logits and features from a cache, worked out once over whole tiles (docs/teacher_cache.md)."""

_base_ = '../best.py'
experiment = 'best_cached'
model = dict(teacher_cache=dict(keep='float16', levels=['distill', 'feature']))
