"""Changes of the length of a run."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ..errors import InputError


def set_epochs(config: Config, epochs: int) -> None:
    """Sets the number of epochs of a config in place, and scales every schedule in epochs with it.

    A phase that would last less than half an epoch is left out, with a warning.

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
        if whole:  # they were rounded separately
            scheduler.T_max = scheduler.end - (scheduler.get('begin') or 0)
    hook = config.get('default_hooks', {}).get('phases')
    if hook and all(phase.get('by', 'epoch') == 'epoch' for phase in hook.phases):
        kept = _stretched(hook.phases, ratio)
        lost = {phase.get('name') for phase in hook.phases} - {phase.get('name') for phase in kept}
        if lost:
            least = next(n for n in range(epochs, before + 1) if len(_stretched(hook.phases, n / before)) > len(kept))
            print_log(
                f'--epochs {epochs}: phase {", ".join(map(repr, lost))} is left out, it would last less than half an '
                f'epoch; --epochs {least} keeps it',
                'current',
                logging.WARNING,
            )
        hook.phases = kept


def _stretched(phases: Sequence[Mapping[str, Any]], ratio: float) -> list[dict[str, Any]]:
    """Returns the phases of a run of another length, without those of less than half an epoch."""
    done, kept = 0, []
    for phase in phases:
        end = phase.get('end') and round(phase['end'] * ratio)
        if end is None or end > done:
            kept.append({**phase, 'begin': done + 1, **({'end': end} if end else {})})
            done = end or done
    return kept


def off_schedule(config: Config) -> str | None:
    """Returns a warning if the learning rate's schedule ends before or after the run; None if it fits."""
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
