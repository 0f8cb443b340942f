"""Command lines that repeat a training, or train its control."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..engine.teachers.recipes import find_config
from ..settings.load import is_distillation, load_config
from .options import TrainOptions

CONTROL = 'no_distill.py'  # where a config names no other in its key `control`


def write_commands(config: Config, path: str | Path, options: TrainOptions) -> None:
    """Puts into a config, as ``commands``, the command line of its training and that of its control.

    Args:
        config: With the options applied; changed in place.
        path: Of the config, as the user named it.
        options: As the user gave them.
    """
    train = _command(path, replace(options, resume=False, work_dir=None))
    config.commands = dict(train=train, resume=f'{train} --resume')
    control = find_control(config) if is_distillation(config) else None
    if control is not None:
        kept = tuple(that_concern(control, path, options.cfg_options))
        alone = replace(options, cfg_options=kept, work_dir=None, resume=False, strict=False, retrain_teacher=False)
        config.commands.control = _command(_short(control), alone)


def find_control(config: Config) -> Path | None:
    """The config that ``control`` names; None where it is not found."""
    return find_config(config, config.get('control', CONTROL))


def that_concern(control: str | Path, path: str | Path, options: Sequence[str]) -> list[str]:
    """Returns the options of a distillation that its control takes too.

    Options that reach the student in a distillation also reach it in the control. Options for what a control does not
    have are left out.

    Args:
        control: Path of the control's config.
        path: Path of the distillation's config.
        options: Each ``key=value``.
    """
    theirs, its = load_config(path), load_config(control)
    kept = []
    for option in options:
        key, equals, value = option.partition('=')
        students = key.startswith('model.architecture.')
        here = key.replace('architecture.', '', 1) if students else key
        new = not _has(theirs, key) and (students or not key.startswith('model.'))
        if new or _has(its, here):
            kept.append(here + equals + value)
    return kept


def _has(node: Any, key: str) -> bool:
    for part in key.split('.'):
        if isinstance(node, list | tuple) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict | Config) and part in node:
            node = node[part]
        else:
            return False
    return True


def _command(path: str | Path, options: TrainOptions) -> str:
    return shlex.join([*_program(), str(path), *options.argv()])


def _program() -> list[str]:
    """Returns how the training tool is called here: as the installed command, or as a file beside the running tool."""
    called = sys.argv[0]
    if called.startswith('mapsage'):
        return ['mapsage', 'train']
    here = Path(called).parent / 'train.py'
    return ['python', str(here if Path(called).suffix == '.py' and here.is_file() else 'tools/train.py')]


def _short(path: Path) -> Path:
    """A path as a user in this folder would type it."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path.resolve()
