"""Trained teachers: where they are kept, which one belongs to a run, and whether it deserves the name."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from ..datasets import (
    HANDLING,
    fingerprint,
    has_own_layout,
    leaves,
    names_and_sizes,
    read_dataset_yaml,
    unlabelled_fingerprint,
)
from ..errors import InputError
from ..evaluation.criteria import final
from ..weights_file import load_checkpoint_file
from ..whole_file import whole_file
from .known_runs import best_alone

SETTINGS = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'randomness',
)
PLACES = ('data_root', 'ann_file')  # of a data set that moves and stays the same; its files make the key


@dataclass(frozen=True)
class TeacherCard:
    """What is known of a teacher's file; it stands in the checkpoint's meta.

    Attributes:
        mIoU: Its recorded validation score in percent, or None.
        sha256: Of the file.
        params_m: Parameters in millions.
        path: Of the file.
        data: Key of the data that it was scored on, or None.
        classes: Names of its classes in order, or empty where they were not written down.
        normalisation: What its data preprocessor does to pixels, or None where it was not written down; see
            :func:`~mapsage_mmseg.models.normalisation.normalisation`.
    """

    mIoU: float | None
    sha256: str
    params_m: float
    path: str
    data: str | None
    classes: tuple[str, ...] = ()
    normalisation: Mapping[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """As it stands in a run's record."""
        return {key: getattr(self, key) for key in ('mIoU', 'sha256', 'params_m', 'path')}


def data_key(config: Config, loaders: Sequence[str] = ('train_dataloader', 'val_dataloader')) -> str:
    """Names the data of a config by its content: the datasets as configured and, for a folder, its files. Of one in
    MMSegmentation's own layouts, these count by name and size. Tiles without a label do not count: what a student
    learns from them is measured on the same data as what it learns without.

    Args:
        config: Of a run.
        loaders: Whose datasets count.
    """
    parts: list[Any] = []
    for split in loaders:
        parts.append(without(config[split]['dataset'], 'pipeline', 'unlabelled', 'keep_unlabelled', *PLACES, *HANDLING))
    train, *more = leaves(config.train_dataloader.dataset)
    root: Any = train.get('data_root')
    if train.get('type') == 'FolderLandCover':
        spec = read_dataset_yaml(root)
        parts.append(fingerprint(root, spec))
        if train.get('part'):  # the scenes decide what falls into which part
            parts.append(train.get('scene') or spec.scene)
        validated = [leaf for split in loaders for leaf in leaves(config[split].dataset)]
        others: set[Any] = {leaf.get('data_root') for leaf in (*more, *validated)} - {root, None}
        parts += [fingerprint(other, read_dataset_yaml(other)) for other in sorted(others)]
    elif root and Path(root).is_dir() and has_own_layout(train):
        parts += [names_and_sizes(leaf) for split in loaders for leaf in leaves(config[split]['dataset'])]
    else:
        parts.append(root)
    return digest(parts)


def without(settings: Any, *names: str) -> Any:
    """Settings without some keys, at every depth of a data set and its wrappers."""
    if isinstance(settings, Mapping):
        return {key: without(value, *names) for key, value in settings.items() if key not in names}
    if isinstance(settings, list | tuple):
        return [without(value, *names) for value in settings]
    return settings


def unlabelled_key(config: Config) -> str | None:
    """Names the content of the tiles without a label that a config trains on; None where it has none."""
    dataset = config.train_dataloader.dataset
    if not dataset.get('unlabelled'):
        return None
    return unlabelled_fingerprint(dataset.data_root, read_dataset_yaml(dataset.data_root))


def scored_key(config: Config) -> str:
    """Names the data that a config validates on: a teacher may train on more than its student, and be scored on the
    same."""
    return data_key(config, ('val_dataloader',))


def content_key(recipe: Config) -> str:
    """Names a teacher by what it follows from: its recipe and its data; of an ensemble its members' keys, too. The same
    key, the same teacher."""
    settings = {key: recipe.get(key) for key in (*SETTINGS, *(['member_keys'] if recipe.get('members') else []))}
    settings = json.loads(json.dumps(settings, default=str))
    for split in ('train_dataloader', 'val_dataloader'):
        settings[split]['dataset'] = without(settings[split]['dataset'], *PLACES, *HANDLING)
        settings[split].pop('num_workers', None)
        settings[split].pop('persistent_workers', None)
    return digest([settings, data_key(recipe)])


def digest(content: Any) -> str:
    """A key of what JSON can hold, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def store(root: str | Path, key: str) -> Path:
    """Where the teacher of that key is kept."""
    return Path(root) / 'teachers' / key / 'teacher.pth'


def stored_key(path: str | Path) -> str | None:
    """The key of a teacher that is kept by :func:`store`; None for a file from elsewhere."""
    key = Path(path).parent.name
    return key if Path(path).parts[-3:] == store('', key).parts else None


def load_recipe(config: Config) -> Config:
    """The teacher's own config, which ``teacher_recipe`` names relative to the config's file."""
    name = config.get('teacher_recipe')
    if not name:
        raise InputError(
            "teacher_ckpt='auto' needs teacher_recipe, the config that trains the teacher; or give "
            'model.teacher_ckpt the path of a checkpoint'
        )
    return _recipe(config, name, 'teacher_recipe')


def member_recipes(recipe: Config) -> list[Config]:
    """Of an ensemble, whose ``members`` name a recipe and a seed each, every member's own config.

    Raises:
        InputError: A member names no recipe, or one that is not there.
    """
    found = []
    for number, member in enumerate(recipe.get('members') or ()):
        if not isinstance(member, Mapping) or not {'recipe'} <= member.keys() <= {'recipe', 'seed'}:
            raise InputError(f"members[{number}]={member!r}: expected dict(recipe='a config that trains it', seed=0)")
        one = _recipe(recipe, member['recipe'], f'members[{number}].recipe')
        one.randomness = dict(one.get('randomness') or {}, seed=member.get('seed', 0))
        found.append(one)
    return found


def _recipe(config: Config, name: str, key: str) -> Config:
    path = find_config(config, name)
    if path is None:
        raise InputError(f'{key}={name!r} was not found beside {config.filename}')
    recipe = Config.fromfile(str(path))
    if recipe.get('members'):
        recipe.member_keys = [content_key(member) for member in member_recipes(recipe)]
    return recipe


def find_config(config: Config, name: str) -> Path | None:
    """A config that another one names: beside that one's file, or else among the package's own."""
    folders = (
        Path(config.filename or '.').parent,
        Path(__file__).parents[2] / 'configs' / 'distill',
        Path(__file__).parents[1] / '.mim' / 'configs' / 'distill',
    )
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def resolve(config: Config, teacher_ckpt: str, recipe: Config | None = None) -> Path:
    """The teacher's file: ``teacher_ckpt`` itself, or with ``'auto'`` the one whose key follows from recipe and data.

    Args:
        config: Of a distillation.
        teacher_ckpt: A path, or ``'auto'``.
        recipe: That trains the teacher, on the data of the run; None where these are the recipe's own.

    Raises:
        InputError: There is none; the message names the command that makes one.
    """
    if teacher_ckpt != 'auto':
        path = Path(teacher_ckpt).expanduser()
        if not path.is_file():
            raise InputError(
                f"model.teacher_ckpt={teacher_ckpt!r} does not exist; give the path of a teacher's checkpoint, "
                "or 'auto'"
            )
        return path
    recipe = recipe or load_recipe(config)
    path = store(config.get('experiments', 'experiments'), content_key(recipe))
    if not path.is_file():
        root = recipe.train_dataloader.dataset.get('data_root')
        where = f' --data-root {root}' if root else ''
        raise InputError(
            f'no teacher has been trained for this data yet ({path} does not exist); make one with: '
            f'python tools/train.py {recipe.filename}{where}'
        )
    return path


def read_teacher(path: str | Path) -> tuple[dict[str, torch.Tensor], TeacherCard]:
    """Reads a teacher's checkpoint, a ``.pth`` or a ``.safetensors``: its weights, whatever wrapped them, and its card.

    Of the card only what has the right type is believed; MMEngine's own checkpoints name the classes too.

    Raises:
        InputError: It cannot be read, would execute code, or holds anything but names and tensors.
    """
    checkpoint = load_checkpoint_file(str(path))
    if not isinstance(checkpoint, Mapping):
        raise InputError(f'teacher {path} holds {type(checkpoint).__name__}, not a checkpoint with a state_dict')
    weights: Any = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f'teacher {path}: its state_dict is {type(weights).__name__}, not names and tensors')
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise InputError(f'teacher {path}: its state_dict has {type(tensor).__name__} for {name!r}, no tensor')
    meta = checkpoint.get('meta')
    score, data, found = (_of(meta, key) for key in ('mIoU', 'data_key', 'normalisation'))
    size = sum(tensor.numel() for tensor in weights.values()) / 1e6
    card = TeacherCard(
        mIoU=float(score) if isinstance(score, int | float) else None,
        sha256=file_digest(path),
        params_m=round(size, 3),
        path=str(path),
        data=data if isinstance(data, str) else None,
        classes=_names(_of(meta, 'classes')) or _names(_of(_of(meta, 'dataset_meta'), 'classes')),
        normalisation=found if isinstance(found, Mapping) else None,
    )
    return dict(weights), card


def _of(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, Mapping) else None


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value) else ()


def load_whole(model: torch.nn.Module, weights: Mapping[str, torch.Tensor], trouble: str) -> None:
    """Loads weights that must fit a model entirely.

    Raises:
        InputError: A key is missing or unexpected, or a shape differs; ``trouble`` begins the message.
    """
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # torch's answer to a shape, strict or not: a headline, then a line a key
        raise InputError(f'{trouble}: {str(error).splitlines()[1].strip()}') from error
    if missing or unexpected:
        raise InputError(
            f'{trouble}: {len(missing)} keys missing ({", ".join(missing[:3])}), '
            f'{len(unexpected)} unexpected ({", ".join(unexpected[:3])})'
        )


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, 'rb') as file:
        return (
            hashlib.file_digest(file, 'sha256').hexdigest()
            if hasattr(hashlib, 'file_digest')
            else hashlib.sha256(file.read()).hexdigest()
        )


def publish(path: str | Path, weights: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> Path:
    """Writes a teacher's weights and meta where runs look for them, whole or not at all."""
    with whole_file(path) as file:
        torch.save(dict(state_dict=dict(weights), meta=dict(meta)), file)
    return Path(path)


def outdone_by(score: float, root: str | Path, data: str) -> str | None:
    """The student from labels only that is better than a teacher of that score, on the same data; None where none is
    known."""
    best = best_alone(root, data)
    if best is None or final(best, 'mIoU') <= score:
        return None
    return (
        f'below the {final(best, "mIoU"):.2f} of {best["experiment"]}, a student of '
        f'{best["student"]["params_m"]} M parameters from labels only ({best["path"]})'
    )


def doubts(card: TeacherCard, config: Config) -> str | None:
    """Why a teacher should be refused in a run of this config, or None."""
    data = data_key(config)
    if card.mIoU is None or not math.isfinite(card.mIoU):
        return (
            f'teacher {card.path} has no recorded validation mIoU, so nobody knows whether it has anything to teach; '
            "train it with tools/train.py, or insist with model.teacher_check='warn'"
        )
    if card.data not in (None, scored_key(config), data):  # earlier cards name the training data too
        return (
            f'teacher {card.path} was scored on other data, so nobody knows what it is worth on these; train or score '
            "it on them, or insist with model.teacher_check='warn'"
        )
    better = outdone_by(card.mIoU, config.get('experiments', 'experiments'), data)
    if better is not None:
        return (
            f'teacher {card.path} scored mIoU {card.mIoU:.2f}, {better}; train a better one, or insist with '
            "model.teacher_check='warn'"
        )
    return None
