"""Small runs on MMSegmentation's own data sets."""

from pathlib import Path

from mmseg.registry import DATASETS

from tests import tiny

KINDS = dict(loveda='LoveDADataset', potsdam='PotsdamDataset', vaihingen='ISPRSDataset', isaid='iSAIDDataset')
# Tiny models, crops of 64 pixels, and else what the package ships.
SMALL = """
_base_ = {base!r}
model = dict(_delete_=True, **{model!r})
pipeline = _base_.train_data.pipeline
pipeline[3]['scale'] = pipeline[4]['crop_size'] = (64, 64)
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(pipeline=pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = [dict(
    type='CosineAnnealingLR', eta_min_ratio=0.01, T_max=1, by_epoch=True, convert_to_iter_based=True)]
"""
DISTILS = """
teacher_recipe, control = 'teacher.py', 'no_distill.py'
default_hooks = dict(phases=dict(phases=[dict(begin=1, weights=dict(task=1.0, distill=1.0, feature=1.0))]))
"""


def classes_of(name):
    return list(DATASETS.get(KINDS[name]).METAINFO['classes'])


def write_small(name, repository):
    count = len(classes_of(name))
    models = dict(teacher=tiny.teacher(count), improved=tiny.distill(count), no_distill=tiny.student(count))
    models['improved'].teacher_check = 'warn'
    for arm, model in models.items():
        base = str(repository / f'configs/distill/{name}/{arm}_{name}.py')
        text = SMALL.format(base=base, model=model.to_dict())
        Path(f'{arm}.py').write_text(text + (DISTILS if arm == 'improved' else ''))


def only(pattern):
    (found,) = Path('experiments').glob(pattern)
    return found
