"""Checks of the types and arguments in a config, before anything is built."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmseg import registry
from torch.utils.data import DataLoader

from ..errors import InputError

# Builders remove these arguments before they call a part's class.
TAKEN_OUT = {
    'param_scheduler': {'convert_to_iter_based'},
    'optim_wrapper': {'constructor', 'paramwise_cfg', 'optimizer'},
}
SWITCHED = ('channels_last', 'compile')  # hooks of --channels-last and --compile, which give them their type
OF_LOADERS = {'num_batch_per_epoch', 'type', '_scope_'}  # what MMEngine takes besides
LIKE = 0.75  # similarity from which an unknown name counts as a misspelling of a known one


def check_config(config: Config) -> None:
    """Looks up every ``type`` of a config, and checks the arguments beside it against those that the type takes.

    A class that passes arguments on (``**kwargs``) may take names that are not its own. There, a name is refused only
    if it looks like a misspelling of a known one.

    Raises:
        InputError: A type or an argument is unknown; the message names the key, the value, and what may have been
            meant.
    """
    _check_hooks(config.get('default_hooks') or {})
    for split in ('train', 'val', 'test'):
        _check_loader(f'{split}_dataloader', config.get(f'{split}_dataloader') or {})
    for where, settings, kind in _parts(config):
        named = settings['type']
        found = _find(named, kind) if isinstance(named, str) else named
        if found is None:
            raise InputError(
                f'{where}.type={named!r} is unknown: no such {kind.name} is registered{_near(named, _all(kind))}'
            )
        known, open_ended = arguments_of(found)
        known |= TAKEN_OUT.get(where.partition('[')[0], set())
        for name in settings:
            if name in known or name in ('type', '_scope_'):
                continue
            near = _near(name, known)
            if near or not open_ended:
                takes = near or f'; it takes {", ".join(sorted(known)) or "no arguments"}'
                raise InputError(f'{where}.{name}={settings[name]!r}: {found.__name__} takes no {name!r}{takes}')


def _check_hooks(hooks: Mapping[str, Any]) -> None:
    typed = [name for name, hook in hooks.items() if isinstance(hook, Mapping) and 'type' in hook]
    for name, hook in hooks.items():
        if isinstance(hook, Mapping) and 'type' not in hook and name not in SWITCHED:
            meant = _near(name, typed) or f'; the hooks are {", ".join(sorted(typed))}'
            raise InputError(f'default_hooks.{name} is no hook of this config: it has no type{meant}')


def _check_loader(where: str, loader: Mapping[str, Any]) -> None:
    known = _names(DataLoader.__init__)[0] | OF_LOADERS
    for name in loader:
        if name not in known:
            meant = _near(name, known) or f'; it takes {", ".join(sorted(known))}'
            raise InputError(f'{where}.{name}={loader[name]!r}: a data loader takes no {name!r}{meant}')


def _find(name: str, kind: Registry) -> Any:
    """Returns a registered class or function; parts of a part, such as a head's sampler, may be in another registry."""
    others = (each for each in vars(registry).values() if isinstance(each, Registry))
    return next((found for each in (kind, *others) if (found := each.get(name)) is not None), None)


def _parts(config: Config) -> Iterator[tuple[str, Mapping[str, Any], Registry]]:
    """Yields every dict with a ``type``: its path, itself, and the registry of its type."""
    yield from _typed(config, 'model', registry.MODELS, deep=True)
    for split in ('train', 'val', 'test'):
        yield from _typed(config, f'{split}_dataloader.dataset', registry.DATASETS)
        yield from _typed(config, f'{split}_dataloader.dataset.pipeline', registry.TRANSFORMS)
        yield from _typed(config, f'{split}_dataloader.sampler', registry.DATA_SAMPLERS)
        yield from _typed(config, f'{split}_cfg', registry.LOOPS)
        yield from _typed(config, f'{split}_evaluator', registry.METRICS)
    yield from _typed(config, 'default_hooks', registry.HOOKS, deep=True)
    yield from _typed(config, 'custom_hooks', registry.HOOKS)
    yield from _typed(config, 'optim_wrapper', registry.OPTIM_WRAPPERS)
    yield from _typed(config, 'optim_wrapper.optimizer', registry.OPTIMIZERS)
    yield from _typed(config, 'param_scheduler', registry.PARAM_SCHEDULERS)
    yield from _typed(config, 'visualizer', registry.VISUALIZERS)
    yield from _typed(config, 'visualizer.vis_backends', registry.VISBACKENDS)


def _typed(
    config: Mapping[str, Any], where: str, kind: Registry, deep: bool = False
) -> Iterator[tuple[str, Mapping[str, Any], Registry]]:
    node: Any = config
    for key in where.split('.'):
        node = node.get(key) if isinstance(node, Mapping | Config) else None
    yield from _walk(node, where, kind, deep)


def _walk(node: Any, where: str, kind: Registry, deep: bool) -> Iterator[tuple[str, Mapping[str, Any], Registry]]:
    if isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _walk(item, f'{where}[{index}]', kind, deep)
    elif isinstance(node, Mapping):
        if 'type' in node:
            yield where, node, kind
        for key, value in node.items():
            # norm_cfg, act_cfg, init_cfg and the like belong to other registries, or to functions.
            if deep and not str(key).endswith('_cfg'):
                yield from _walk(value, f'{where}.{key}', kind, deep)


def arguments_of(called: Any) -> tuple[set[str], bool]:
    """Returns the argument names of a class or function, and whether it may take others.

    Arguments of base classes to which a class passes its own on are included.
    """
    if not inspect.isclass(called):
        return _names(called)
    known: set[str] = set()
    first: bool | None = None
    for owner in called.__mro__[:-1]:
        if '__init__' not in vars(owner):
            continue
        names, passes_on = _names(vars(owner)['__init__'])
        known |= names
        first = passes_on if first is None else first
        if not passes_on:
            break
    return known, bool(first)


def _names(function: Any) -> tuple[set[str], bool]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C
        return set(), True
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {parameter.name for parameter in parameters if parameter.kind in kinds and parameter.name != 'self'}
    return names, any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _all(kind: Registry | None) -> set[str]:
    names: set[str] = set()
    while kind is not None:
        names |= set(kind.module_dict)
        kind = kind.parent
    return names


def _near(name: Any, known: Iterable[str]) -> str:
    found = get_close_matches(str(name), sorted(known), 1, LIKE)
    return f'; did you mean {found[0]!r}?' if found else ''
