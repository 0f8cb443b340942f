"""Knobs of :mod:`~mapsage_mmseg.settings.search_space` that a config has, and what they change in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict

from ..errors import InputError
from .search_space import SPACE, WEIGHT

CONNECTOR = 'mmrazor.ConvModuleConnector'  # the 1x1 convolution


def knobs_of(config: Config, names: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Returns the knobs that a config has, with their ranges.

    Args:
        config: The config.
        names: Names of the knobs; None for all that the config has.

    Raises:
        InputError: The config has no knob of a given name, or no knob at all.
    """
    hooks = config.get('default_hooks', {})
    temperature, weights = hooks.get('temperature') or {}, list(_weights(config))
    there = dict(
        temperature_start='start' in temperature,
        temperature_end='end' in temperature and temperature.get('shape', 'linear') != 'constant',
        warmup=_has_warmup(config),
        connector_layers=bool(_deeper_connectors(config)),
        learning_rate='lr' in config.get('optim_wrapper', {}).get('optimizer', {}),
    )
    found = [name for name, is_there in there.items() if is_there] + weights
    unknown = [name for name in names or () if name not in found]
    if unknown or not found:
        raise InputError(
            f'--knobs {" ".join(unknown)}: {config.filename} has {", ".join(found) or "no knob that could be turned"}'
        )
    return {name: SPACE.get(name, WEIGHT) for name in found if names is None or name in names}


def changes(config: Config, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what values of knobs change in a config, as overrides for a config that inherits it.

    Args:
        config: The config, with any number of epochs.
        values: Values by knob.
    """
    found: dict[str, Any] = {}
    hooks: dict[str, Any] = {}
    temperature = {end: values[f'temperature_{end}'] for end in ('start', 'end') if f'temperature_{end}' in values}
    if temperature:
        hooks['temperature'] = temperature
    if 'warmup' in values or any(name in values for name in _weights(config)):
        hooks['phases'] = dict(phases=_phases(config, values))
    if hooks:
        found['default_hooks'] = hooks
    if 'learning_rate' in values:
        found['optim_wrapper'] = dict(optimizer=dict(lr=values['learning_rate']))
    if values.get('connector_layers') == 2:
        found['model'] = dict(distiller=dict(levels=_deeper_connectors(config)))
    return found


def _levels(config: Config) -> dict[str, Any]:
    levels = config.model.get('distiller', {}).get('levels') or {}
    return {name: level for name, level in levels.items() if level is not None}


def _weights(config: Config) -> dict[str, str]:
    """Returns the term by knob, for the task and each level that is on."""
    if not config.get('default_hooks', {}).get('phases') or not _levels(config):
        return {}
    return {f'weight_{term}': term for term in ('task', *_levels(config))}


def _has_warmup(config: Config) -> bool:
    """Returns whether the phases, in epochs, are one with levels, or one from labels only and one with levels."""
    phases = (config.get('default_hooks', {}).get('phases') or {}).get('phases') or []
    in_epochs = all(phase.get('by', 'epoch') == 'epoch' for phase in phases)
    return in_epochs and (len(phases) == 1 or len(phases) == 2 and set(phases[0]['weights']) == {'task'})


def _phases(config: Config, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    *before, last = (_plain(phase) for phase in config.default_hooks.phases.phases)
    turned = {term: values[knob] for knob, term in _weights(config).items() if knob in values}
    last['weights'] = {**last['weights'], **turned}
    if 'warmup' in values:
        end = round(values['warmup'] * config.train_cfg.max_epochs)
        before = [dict(name='task', begin=1, end=end, by='epoch', weights=dict(task=1.0))] if end else []
        last['begin'] = end + 1
    return [*before, last]


def _deeper_connectors(config: Config) -> dict[str, Any]:
    """Returns the levels that have 1x1 convolutions, with these replaced by stacks of two."""
    found: dict[str, Any] = {}
    for name, level in _levels(config).items():
        connector = level.get('connector')
        if isinstance(connector, dict) and connector.get('type') == CONNECTOR:
            found[name] = dict(connector=dict(_delete_=True, **_stack(connector)))
        elif isinstance(connector, list) and all(one.get('type') == CONNECTOR for one in connector):
            found[name] = dict(connector=[_stack(one) for one in connector])
    return found


def _stack(connector: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: connector[key] for key in ('in_channel', 'out_channel', 'norm_cfg') if connector.get(key)}
    return dict(type='ConvStackConnector', num_layers=2, **_plain(kept))


def _plain(node: Any) -> Any:
    """Returns a copy in plain dicts and lists."""
    if isinstance(node, ConfigDict | dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list | tuple) else node
