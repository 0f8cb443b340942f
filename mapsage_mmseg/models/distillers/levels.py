"""Levels of distillation, from their configs."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch import nn

from ...errors import InputError

KEYS = ('student', 'teacher', 'loss', 'connector', 'teacher_connector', 'pair_weights')


@dataclass(frozen=True)
class Source:
    """Where a tensor comes from: the output of a module, or one item of it.

    Attributes:
        module: Path of the module in its model, as in ``named_modules()``.
        index: Index of the item, if the module returns several; else None.
    """

    module: str
    index: int | None

    @classmethod
    def parse(cls, text: Any, where: str) -> 'Source':
        """Reads ``'backbone:3'`` or ``'decode_head.conv_seg'``."""
        if not isinstance(text, str) or not text:
            raise InputError(f"{where}={text!r} must be a module path such as 'decode_head.conv_seg' or 'backbone:3'")
        module, colon, index = text.partition(':')
        if colon and not index.isdigit():
            raise InputError(
                f"{where}={text!r}: behind the colon stands which output, a number from 0, as in 'backbone:3'"
            )
        return cls(module, int(index) if colon else None)

    def __str__(self) -> str:
        return self.module if self.index is None else f'{self.module}:{self.index}'


@dataclass(frozen=True)
class Level:
    """One level: pairs of sources, an optional connector for each, and one loss.

    Attributes:
        name: Key of its weight, its term and its tags.
        student, teacher: Sources, pair by pair.
        loss: Config of the loss.
        connectors: Config of the connector after each student source; empty for none.
        teacher_connectors: The same for the teacher sources.
        pair_weights: Weight of each pair in the level's mean; empty for equal weights.
    """

    name: str
    student: tuple[Source, ...]
    teacher: tuple[Source, ...]
    loss: dict
    connectors: tuple[dict, ...] = ()
    teacher_connectors: tuple[dict, ...] = ()
    pair_weights: tuple[float, ...] = ()

    @classmethod
    def parse(cls, name: str, config: Any) -> 'Level':
        """Reads a level's dict.

        Raises:
            InputError: The config is invalid; the message names the level, the key and the valid values.
        """
        where = f'levels.{name}'
        if not name.isidentifier():
            raise InputError(f'{where}: the name of a level must be an identifier, as in levels=dict(feature=...)')
        if name in ('task', 'loss', 'anchor', 'weighted'):
            raise InputError(
                f"{where}: the name {name!r} is taken; 'task' is the student's own loss and needs no level"
            )
        if not isinstance(config, Mapping):
            raise InputError(
                f'{where}={config!r} must be a dict with {", ".join(KEYS[:3])}, or None to switch the level off'
            )
        for key in config:
            if key not in KEYS:
                near = get_close_matches(str(key), KEYS, 1)
                raise InputError(
                    f'{where}.{key} is unknown' + (f'; did you mean {near[0]!r}?' if near else f'; valid: {KEYS}')
                )
        for key in KEYS[:3]:
            if key not in config:
                raise InputError(f'{where}.{key} is missing')
        student, teacher = (_sources(config[side], f'{where}.{side}') for side in ('student', 'teacher'))
        if len(student) != len(teacher):
            raise InputError(
                f'{where}: {len(student)} student and {len(teacher)} teacher sources; they are paired, so their '
                'numbers must be equal'
            )
        if not isinstance(config['loss'], Mapping) or 'type' not in config['loss']:
            raise InputError(
                f"{where}.loss={config['loss']!r} must be a dict with a type, as in dict(type='LogitKLLoss')"
            )
        return cls(
            name,
            student,
            teacher,
            dict(config['loss']),
            _connectors(config.get('connector'), len(student), f'{where}.connector'),
            _connectors(config.get('teacher_connector'), len(teacher), f'{where}.teacher_connector'),
            _pair_weights(config.get('pair_weights'), len(student), f'{where}.pair_weights'),
        )


def _sources(value: Any, where: str) -> tuple[Source, ...]:
    if isinstance(value, str):
        return (Source.parse(value, where),)
    if not isinstance(value, Sequence) or not value:
        raise InputError(f'{where}={value!r} must be a module path, or a list of them')
    return tuple(Source.parse(item, f'{where}[{i}]') for i, item in enumerate(value))


def _pair_weights(value: Any, count: int, where: str) -> tuple[float, ...]:
    if value is None:
        return ()
    fits = isinstance(value, list | tuple) and len(value) == count
    if not fits or not all(type(each) in (int, float) and each >= 0 for each in value) or not sum(value):
        raise InputError(f'{where}={value!r} must be a list of {count} numbers from 0, one a pair, not all of them 0')
    return tuple(map(float, value))


def _connectors(value: Any, count: int, where: str) -> tuple[dict, ...]:
    if value is None:
        return ()
    configs = [value] * count if isinstance(value, Mapping) else list(value)
    if len(configs) != count:
        raise InputError(
            f'{where}: {len(configs)} connectors for {count} sources; give one for each, or one dict for all'
        )
    for i, config in enumerate(configs):
        if not isinstance(config, Mapping):
            raise InputError(f'{where}[{i}]={config!r} must be a dict with a type, such as ConvStackConnector')
    return tuple(dict(config) for config in configs)


def check_paths(level: Level, side: str, model: nn.Module) -> None:
    """Checks that the module of every source exists.

    Args:
        level: The level.
        side: ``'student'`` or ``'teacher'``.
        model: That side's model.

    Raises:
        InputError: A module does not exist.
    """
    modules = dict(model.named_modules())
    for source in getattr(level, side):
        if source.module not in modules:
            near = get_close_matches(source.module, modules, 3, cutoff=0.4)
            raise InputError(
                f'levels.{level.name}.{side}={str(source)!r}: the {side} ({type(model).__name__}) has no module '
                f'{source.module!r}; nearest: {", ".join(near) or "none"}'
            )


def takes_mask(loss: nn.Module, level: str) -> bool:
    """Returns whether a loss takes the mask of valid pixels as well as (student, teacher).

    mmrazor's losses with exactly two tensors do not.

    Raises:
        InputError: The loss takes other arguments, such as mmrazor's losses of labels, of samples or of one tensor.
    """
    required = [
        name
        for name, parameter in inspect.signature(loss.forward).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    if len(required) == 3 and required[2] == 'valid':
        return True
    if len(required) != 2:
        raise InputError(
            f'levels.{level}.loss: {type(loss).__name__}.forward takes ({", ".join(required)}); a level gives it '
            '(student, teacher) or (student, teacher, valid), nothing else'
        )
    return False
