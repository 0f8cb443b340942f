"""Arms of a comparison: configs with the overrides of the command line, and their controls."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from ..engine.runs.key import run_key
from ..engine.teachers.keys import content_key, data_key
from ..engine.teachers.store import teacher_file
from ..errors import InputError
from ..settings.load import experiment_of, is_distillation
from .command_lines import CONTROL, find_control, that_concern
from .options import TrainOptions
from .session import prepare
from .teacher_training import teacher_config


@dataclass
class Arm:
    """One of several configs that are run with the same seeds.

    Attributes:
        path: Path of the config.
        options: Options of its runs, without seed and run directory.
        config: The config with the options applied.
    """

    path: str
    options: TrainOptions
    config: Config = field(repr=False)

    @classmethod
    def prepare(
        cls,
        path: str,
        data_root: str | None,
        options: Sequence[str],
        skip_data_check: bool = True,
        epochs: int | None = None,
    ) -> 'Arm':
        """Reads a config and applies the options of the command line.

        Raises:
            InputError: As :func:`~mapsage_mmseg.training.session.prepare`.
        """
        shared = TrainOptions(cfg_options=tuple(options), data_root=data_root, skip_data_check=True, epochs=epochs)
        # any seed: it replaces all of `randomness`
        return cls(path, shared, prepare(path, replace(shared, skip_data_check=skip_data_check, seed=0)))

    @property
    def experiment(self) -> str:
        return experiment_of(self.config, self.path)

    @property
    def root(self) -> str:
        """The experiments folder."""
        return self.config.get('experiments', 'experiments')

    @property
    def distils(self) -> bool:
        return is_distillation(self.config)

    @cached_property
    def teacher(self) -> Path | None:
        """Path of its teacher's file, which may not exist yet; None if no teacher has to be trained."""
        if not self.distils or self.config.model.get('teacher_ckpt', 'auto') != 'auto':
            return None
        return teacher_file(self.root, content_key(teacher_config(self.config, self.options.data_root)))

    @cached_property
    def key(self) -> str:
        """Key of its runs, as in their records."""
        if self.teacher is None:
            return run_key(self.config)
        config = copy.deepcopy(self.config)
        config.model.teacher_ckpt = str(self.teacher)
        return run_key(config)


def arms_of(
    paths: Sequence[str],
    data_root: str | None,
    options: Sequence[str],
    control: bool = True,
    skip_data_check: bool = False,
    epochs: int | None = None,
) -> list[Arm]:
    """Prepares configs, and the control of each distillation unless it is among them.

    Args:
        paths: Paths of the configs.
        data_root: As for ``tools/train.py``.
        options: ``key=value``, for all of them; a control gets those that concern it.
        control: Whether to add controls.
        skip_data_check: Whether to skip reading the tiles first.
        epochs: Epochs of every run; None for the configs' own.

    Returns:
        The arms, controls first: a teacher that falls short of its student's control is refused.

    Raises:
        InputError: A config cannot be prepared, two of them are the same run, or a control is missing or has other
            data.
    """
    named: list[Arm] = []
    for path in paths:
        arm = Arm.prepare(path, data_root, options, skip_data_check or bool(named), epochs)
        same = next((other.path for other in named if other.key == arm.key), None)
        if same:
            raise InputError(f'{path} is the same run as {same}; name each once')
        named.append(arm)
    controls: list[Arm] = []
    for arm in [arm for arm in named if control and arm.distils]:
        found = _control_of(arm, data_root, options, epochs)
        if found.key not in {other.key for other in named + controls}:
            controls.append(found)
    return controls + named


def _control_of(arm: Arm, data_root: str | None, options: Sequence[str], epochs: int | None) -> Arm:
    name, path = arm.config.get('control', CONTROL), find_control(arm.config)
    if path is None:
        raise InputError(f'{arm.path}: control={name!r} was not found beside it; name a config, or use --no-control')
    found = Arm.prepare(str(path), data_root, that_concern(path, arm.path, options), epochs=epochs)
    if data_key(found.config) != data_key(arm.config):
        raise InputError(
            f'{arm.path} and its control {path} have other data, so they do not compare; give the config a key '
            "control='<config>', or use --no-control"
        )
    return found
