"""What the teacher's stem adds: improved.py under a teacher over plain patches."""

_base_ = '../improved.py'
experiment = 'patch_teacher'
teacher_recipe = 'teacher_patch.py'
model = dict(teacher=dict(backbone=dict(stem=dict(type='PatchStem'))))
