"""Checks that two runs differ only in distillation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
SAME = 0.01  # relative difference of learning rates that rounding may cause
MOST = 3  # differences to list


def unlike(run: Record, control: Record) -> list[str]:
    """Returns the differences of two runs, in words, except distillation and the weights of its terms.

    A value that a record lacks counts as the same: records of earlier versions contain less.
    """
    found = list(dict.fromkeys(_differences(run, control)))
    return found if len(found) <= MOST else [*found[:MOST], f'{len(found) - MOST} more']


def mixed(runs: Sequence[Record]) -> list[str]:
    """Returns the differences between an experiment's runs, in words, except the seed."""
    found = []
    if len({run.get('key') for run in runs if run.get('key')}) > 1:
        found.append('its runs have other settings among themselves')
    if len({(run.get('teacher') or {}).get('sha256') for run in runs}) > 1:
        found.append('its runs learned from different teachers')
    return found


def _differences(run: Record, control: Record) -> Iterator[str]:
    if any(weight for entry in control['epochs'] for term, weight in entry['weights'].items() if term != 'task'):
        yield 'the control distils, too'
    mine, its = run['student'].get('params_m'), control['student'].get('params_m')
    if None not in (mine, its) and mine != its:
        yield f'students of {mine:g} M and {its:g} M parameters'
    mine, its = run.get('images_per_step'), control.get('images_per_step')
    if None not in (mine, its) and mine != its:
        yield f'{mine} and {its} images a step'
    yield from _length(run, control)
    yield from _rate(run, control)
    mine, its = run['student'].get('start'), control['student'].get('start')
    if None not in (mine, its) and mine != its and run.get('seed') == control.get('seed'):
        yield 'other first weights'
    yield from _settings(run.get('settings'), control.get('settings'), '')


def _length(run: Record, control: Record) -> Iterator[str]:
    if not run['epochs'] or not control['epochs']:
        return
    last, its = run['epochs'][-1], control['epochs'][-1]
    for key, name in (('iter', 'iterations'), ('epoch', 'epochs')):
        if key in last and key in its:
            if last[key] != its[key]:
                yield f'{last[key]} and {its[key]} {name}'
            return


def _rate(run: Record, control: Record) -> Iterator[str]:
    rates = {entry['epoch']: entry.get('lr') for entry in control['epochs']}
    for entry in run['epochs']:
        mine, its = entry.get('lr'), rates.get(entry['epoch'])
        if mine is not None and its is not None and abs(mine - its) > SAME * max(abs(mine), abs(its)):
            yield f'learning rates {mine:.3g} and {its:.3g} in epoch {entry["epoch"]}'
            return


def _settings(mine: Any, its: Any, where: str) -> Iterator[str]:
    if mine is None or its is None:
        if where and mine != its:
            yield f'{where}={mine!r} and {its!r}'
        return
    if isinstance(mine, list) and isinstance(its, list) and len(mine) == len(its):
        mine, its = dict(enumerate(mine)), dict(enumerate(its))
    if not (isinstance(mine, Mapping) and isinstance(its, Mapping)):
        if mine != its:
            yield f'{where}={mine!r} and {its!r}'
        return
    for key in dict.fromkeys((*mine, *its)):
        yield from _settings(mine.get(key), its.get(key), f'{where}.{key}' if where else str(key))
