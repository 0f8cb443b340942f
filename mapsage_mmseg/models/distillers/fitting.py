"""Levels, fitted to the student of a config."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ...errors import InputError
from .levels import Level, Source, check_paths

AUTO = 'auto'
SIZE = 128  # pixels: large enough for any stride, and fast


def fit_levels(levels: Mapping[str, Any], student: nn.Module, bands: int = 3) -> dict[str, Any]:
    """Resolves the settings of levels that depend on the student.

    A level with a ``fallback``, itself a level, is replaced by it if the student lacks a module that the level reads;
    this is logged. A connector's ``in_channel='auto'`` is replaced by the number of channels of its input.

    Args:
        levels: As in the config; not changed.
        student: The student. It runs once on zeros, in eval mode, if a connector has ``in_channel='auto'``.
        bands: Channels of the student's input images.

    Raises:
        InputError: A module does not exist, or the channels of its output cannot be found.
    """
    modules = dict(student.named_modules())
    fitted = {name: _chosen(name, config, modules) for name, config in levels.items()}
    wanted = {name for name, config in fitted.items() if any(_auto(connector) for connector in _connectors(config))}
    if not wanted:
        return fitted
    parsed = {name: Level.parse(name, fitted[name]) for name in wanted}
    for level in parsed.values():
        check_paths(level, 'student', student)
    channels = _channels(student, {source for level in parsed.values() for source in level.student}, bands)
    for name in wanted:
        given = fitted[name]['connector']
        each = [given] * len(parsed[name].student) if isinstance(given, Mapping) else given
        connectors = [
            {**connector, 'in_channel': channels[source]} if _auto(connector) else connector
            for connector, source in zip(each, parsed[name].student, strict=True)
        ]
        fitted[name] = {**fitted[name], 'connector': connectors}
    return fitted


def _chosen(name: str, config: Any, modules: Mapping[str, nn.Module]) -> Any:
    if not isinstance(config, Mapping) or 'fallback' not in config:
        return config
    level = {key: value for key, value in config.items() if key != 'fallback'}
    missing = [source.module for source in Level.parse(name, level).student if source.module not in modules]
    if not missing:
        return level
    instead = config['fallback']
    kind = instead.get('loss', {}).get('type') if isinstance(instead, Mapping) else None
    print_log(f'levels.{name}: the student has no {missing[0]!r}; its fallback stands in: {kind or "off"}', 'current')
    return instead


def _connectors(config: Any) -> Iterable[Any]:
    given = config.get('connector') if isinstance(config, Mapping) else None
    return [given] if isinstance(given, Mapping) else given or ()


def _auto(connector: Any) -> bool:
    return isinstance(connector, Mapping) and connector.get('in_channel') == AUTO


@torch.no_grad()
def _channels(student: nn.Module, sources: Iterable[Source], bands: int) -> dict[Source, int]:
    """Returns the number of channels of each source's output."""
    outputs: dict[str, Any] = {}
    modules = dict(student.named_modules())
    was_training = student.training
    student.eval()
    image = torch.zeros((1, bands, SIZE, SIZE), device=next(student.parameters()).device)
    with ExitStack() as stack:
        for path in {source.module for source in sources}:
            keep = lambda _, __, output, path=path: outputs.update({path: output})  # noqa: E731
            stack.callback(modules[path].register_forward_hook(keep).remove)
        try:
            student(image, None, mode='tensor')
        except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as error:
            raise InputError(
                f'model.architecture: its forward fails on {SIZE} x {SIZE} pixels, so that no connector can find its '
                f'in_channel: {(str(error).splitlines() or [repr(error)])[0]}'
            ) from error
        finally:
            student.train(was_training)
    found = {}
    for source in sources:
        record = outputs.get(source.module)
        if source.index is not None and isinstance(record, list | tuple) and source.index < len(record):
            record = record[source.index]
        if not isinstance(record, Tensor) or record.ndim < 2:
            raise InputError(
                f'{str(source)!r} gives no feature map (N, C, H, W) whose channels a connector could take for '
                f"in_channel='{AUTO}'; give the number"
            )
        found[source] = record.shape[1]
    return found
