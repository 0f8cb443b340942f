"""Key of a run: runs with the same key and seed give the same result."""

import json
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size

from ...datasets.leaves import leaves
from ...datasets.tiles.dataset import HANDLING
from ...weights_file import file_digest
from ..teachers.keys import PLACES, content_key, data_key, digest, unlabelled_key, without
from ..teachers.recipes import load_recipe, resolve_teacher
from ..teachers.store import key_of_file

DECIDES = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'train_cfg',
    'val_cfg',
    'optim_wrapper',
    'param_scheduler',
    'auto_scale_lr',
    'val_evaluator',
    'default_hooks',
    'custom_hooks',
    'randomness',
    'load_from',
)
# Hooks, by their names in default_hooks, that observe a run without changing it.
WATCHING = (
    'timer',
    'logger',
    'checkpoint',
    'lock',
    'interrupt',
    'record',
    'diagnosis',
    'scalars',
    'panels',
    'progress',
    'report',
    'rescue',
    'history',
    'visualization',
)
DISTILLING = ('teacher', 'phases', 'temperature')  # hooks that a control does not have
# Settings of a data set that the key of the data covers, or that only a distillation uses.
OF_DATA = ('pipeline', 'unlabelled', 'keep_unlabelled')
LOADING = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')


def run_key(config: Config) -> str:
    """Returns the key of a run: a digest of everything in its config that decides its result, except the seed.

    It does not cover the experiment's name, nor where and how a run is kept, shown, loaded or resumed. Data are
    identified by their content, and so is the teacher: by its own key, or by the digest of its file. The batch size
    counts as images per step over all processes, however many there are.

    Returns:
        16 hexadecimal digits.
    """
    settings = deciding(config)
    if 'batch_size' in settings['train_dataloader']:
        settings['train_dataloader']['batch_size'] *= get_world_size()
    teacher = _teacher(config, config.model.get('teacher_ckpt'))
    extra = unlabelled_key(config)
    return digest([settings, data_key(config), teacher, *([extra] if extra else [])])


def deciding(config: Config) -> dict[str, Any]:
    """Returns the settings that decide a run's result, except the seed, the data's content and the teacher's file."""
    settings = json.loads(json.dumps({key: config.get(key) for key in DECIDES}, default=str))
    for name in WATCHING:
        (settings['default_hooks'] or {}).pop(name, None)
    (settings['randomness'] or {}).pop('seed', None)
    for split in ('train_dataloader', 'val_dataloader'):
        dataset = settings[split]['dataset']
        settings[split]['dataset'] = without(dataset, *PLACES, *HANDLING)
        for name in LOADING:
            settings[split].pop(name, None)
    settings['model'].pop('teacher_ckpt', None)
    settings['model'].pop('teacher_check', None)  # whether a doubtful teacher is refused
    return settings


def shared_settings(config: Config) -> dict[str, Any]:
    """Returns the settings that decide a student's result and are the same in its control: all but the distillation."""
    settings = deciding(config)
    model = settings['model']
    student = model.get('architecture', model)
    loader = settings['train_dataloader']
    hooks = {name: hook for name, hook in (settings['default_hooks'] or {}).items() if name not in DISTILLING and hook}
    return dict(
        student={key: value for key, value in student.items() if key not in ('data_preprocessor', 'init_cfg')},
        data_preprocessor=model.get('data_preprocessor') or student.get('data_preprocessor'),
        pipelines=[leaf.get('pipeline') for leaf in leaves(loader['dataset'])],
        wrapped=without(loader['dataset'], *PLACES, *HANDLING, *OF_DATA),
        loading={key: loader.get(key) for key in ('sampler', 'batch_sampler', 'drop_last', 'collate_fn')},
        val_pipelines=[leaf.get('pipeline') for leaf in leaves(settings['val_dataloader']['dataset'])],
        hooks=hooks,
        load_from=settings['load_from'],
        auto_scale_lr=settings['auto_scale_lr'],
        optim_wrapper=settings['optim_wrapper'],
        param_scheduler=settings['param_scheduler'],
        train_cfg={key: value for key, value in (settings['train_cfg'] or {}).items() if key != 'val_interval'},
        custom_hooks=settings['custom_hooks'],
    )


def differences(mine: Any, its: Any, where: str = '') -> list[str]:
    """Lists where and how two settings differ, as in ``optim_wrapper.optimizer.lr: 0.0002, was 0.0001``."""
    if isinstance(mine, list) and isinstance(its, list) and len(mine) == len(its):
        mine, its = dict(enumerate(mine)), dict(enumerate(its))
    if not (isinstance(mine, dict) and isinstance(its, dict)):
        return [] if mine == its else [f'{where}: {mine!r}, was {its!r}']
    found: list[str] = []
    for key in dict.fromkeys((*mine, *its)):
        found += differences(mine.get(key), its.get(key), f'{where}.{key}' if where else str(key))
    return found


def _teacher(config: Config, teacher_ckpt: Any) -> str | None:
    if teacher_ckpt is None:
        return None
    if teacher_ckpt == 'auto':
        return content_key(load_recipe(config))
    key = key_of_file(teacher_ckpt)
    return key or file_digest(resolve_teacher(config, str(Path(teacher_ckpt))))
