"""Recipes of teachers, and the teacher of a run."""

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from ...errors import InputError
from .keys import content_key
from .store import teacher_file

PACKAGE = Path(__file__).parents[2]


def load_recipe(config: Config) -> Config:
    """Reads the teacher's own config, which ``teacher_recipe`` names relative to the config's file."""
    name = config.get('teacher_recipe')
    if not name:
        raise InputError(
            "teacher_ckpt='auto' needs teacher_recipe, the config that trains the teacher; or give "
            'model.teacher_ckpt the path of a checkpoint'
        )
    return _recipe(config, name, 'teacher_recipe')


def member_recipes(recipe: Config) -> list[Config]:
    """Reads the config of each member of an ensemble, whose ``members`` name a recipe and a seed each.

    Raises:
        InputError: A member names no recipe, or one that does not exist.
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
    """Finds a config that another one names: beside that one's file, or else among the package's own; None if
    missing."""
    folders = (
        Path(config.filename or '.').parent,
        PACKAGE.parent / 'configs' / 'distill',
        PACKAGE / '.mim' / 'configs' / 'distill',
    )
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def resolve_teacher(config: Config, teacher_ckpt: str, recipe: Config | None = None) -> Path:
    """Returns the teacher's file: ``teacher_ckpt``, or for ``'auto'`` the one whose key follows from recipe and data.

    Args:
        config: The config of a distillation.
        teacher_ckpt: A path, or ``'auto'``.
        recipe: The teacher's recipe on the data of the run; None if the recipe's own data are the same.

    Raises:
        InputError: The file does not exist; for ``'auto'`` the message names the command that makes it.
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
    path = teacher_file(config.get('experiments', 'experiments'), content_key(recipe))
    if not path.is_file():
        root = recipe.train_dataloader.dataset.get('data_root')
        where = f' --data-root {root}' if root else ''
        raise InputError(
            f'no teacher has been trained for this data yet ({path} does not exist); make one with: '
            f'python tools/train.py {recipe.filename}{where}'
        )
    return path
