"""A run of another length."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..errors import InputError


def set_epochs(config: Config, epochs: int) -> None:
    """Changes a config in place: so many epochs, and every schedule in epochs stretched or shortened with them.

    A phase that would last less than half an epoch is left out.

    Raises:
        InputError: ``epochs`` is below 1, or the config trains by iterations.
    """
    before = config.train_cfg.get('max_epochs')
    if epochs < 1:
        raise InputError(f'--epochs {epochs}: must be a whole number from 1')
    if not before:
        raise InputError(f'--epochs {epochs}: {config.filename} trains by iterations; expected train_cfg.max_epochs')
    ratio = epochs / before
    config.train_cfg.max_epochs = epochs
    config.train_cfg.val_interval = min(config.train_cfg.get('val_interval', 1), epochs)
    for scheduler in _by_epoch(config):
        begin, end, period = (scheduler.get(key) for key in ('begin', 'end', 'T_max'))
        whole = period is not None and end is not None and period == end - (begin or 0)
        for key in ('end', 'T_max', 'begin'):
            if scheduler.get(key):
                scheduler[key] = max(1, round(scheduler[key] * ratio))
        if end and begin:
            scheduler.begin = min(scheduler.begin, scheduler.end - 1)
        if whole:  # each was rounded by itself
            scheduler.T_max = scheduler.end - (scheduler.get('begin') or 0)
    hook = config.get('default_hooks', {}).get('phases')
    if hook and all(phase.get('by', 'epoch') == 'epoch' for phase in hook.phases):
        done, phases = 0, []
        for phase in hook.phases:
            end = phase.get('end') and round(phase['end'] * ratio)
            if end is None or end > done:
                phases.append({**phase, 'begin': done + 1, **({'end': end} if end else {})})
                done = end or done
        hook.phases = phases


def off_schedule(config: Config) -> str | None:
    """What to say where the learning rate's schedule ends before or after the run does; None where it fits."""
    epochs = config.train_cfg.get('max_epochs')
    ends = max((scheduler.get('end') or 0 for scheduler in _by_epoch(config)), default=0)
    if not isinstance(epochs, int) or not ends or ends == epochs:
        return None
    return (
        f'train_cfg.max_epochs={epochs}, while param_scheduler ends at epoch {ends}: the learning rate '
        f'{"stays where it is then" if ends < epochs else "does not reach its end"}. --epochs {epochs} changes the '
        'length of a run and of its schedules together'
    )


def _by_epoch(config: Config) -> Iterator[Any]:
    schedulers = config.get('param_scheduler') or []
    for scheduler in [schedulers] if isinstance(schedulers, dict) else schedulers:
        if scheduler.get('by_epoch', True):
            yield scheduler
