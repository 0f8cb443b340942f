"""Logits alone, from a teacher that ran once over the whole tiles: no step runs it (docs/teacher_cache.md).

The same with the teacher in every step: --cfg-options model.teacher_cache=None
"""

_base_ = '../improved.py'
experiment = 'logits_cached'
model = dict(teacher_cache='float16', distiller=dict(levels=dict(feature=None, attention=None)))
