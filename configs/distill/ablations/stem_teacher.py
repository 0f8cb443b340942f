"""What the pretrained stem adds: improved.py under a teacher over untrained convolutions, on tiles as well."""

_base_ = '../improved.py'
experiment = 'stem_teacher'
teacher_recipe = 'teacher_stem.py'
