"""Phases: the weights of the loss terms over a run."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import InputError
from .clock import Clock

KEYS = ('name', 'begin', 'end', 'by', 'weights')


@dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes:
        name: Name in logs and the record.
        begin: First epoch (or iteration), counted from 1.
        end: Last epoch (or iteration), inclusive; None for the last phase.
        weights: Weight of each term; a term that is not named has weight 0.
    """

    name: str
    begin: int
    end: int | None
    weights: Mapping[str, float]


class PhaseSchedule:
    """Consecutive phases without gaps.

    Args:
        phases: ``[dict(name='task', begin=1, end=5, by='epoch', weights=dict(task=1.0)), ...]``, 1-based and inclusive;
            the last has no ``end``. ``by`` is ``'epoch'`` (default) or ``'iter'``, the same for all.

    Raises:
        InputError: Phases overlap or leave a gap, a weight is negative, or a key is unknown; the message names the key.
    """

    def __init__(self, phases: Sequence[Mapping[str, Any]]) -> None:
        if not isinstance(phases, Sequence) or isinstance(phases, str):
            raise InputError(f'phases={phases!r} must be a list of dicts, one a phase')
        if not phases:
            raise InputError('phases=[] names no phase; at least one is needed, with begin=1')
        self.phases = tuple(_parse(index, phase) for index, phase in enumerate(phases))
        units = {phase.get('by', 'epoch') for phase in phases}
        if len(units) > 1:
            raise InputError("phases mix by='epoch' and by='iter'; use one of them for all")
        self.by: str = units.pop()
        self._check_order()

    def _check_order(self) -> None:
        if self.phases[0].begin != 1:
            raise InputError(f'phases[0].begin={self.phases[0].begin}: the first phase begins at 1')
        for index, (before, after) in enumerate(zip(self.phases, self.phases[1:], strict=False)):
            if before.end is None:
                raise InputError(
                    f'phases[{index}] ({before.name!r}) has no end, and only the last phase may go without'
                )
            if after.begin != before.end + 1:
                kind = 'overlap' if after.begin <= before.end else 'leave a gap'
                raise InputError(
                    f'phases[{index}] ({before.name!r}, end={before.end}) and phases[{index + 1}] ({after.name!r}, '
                    f'begin={after.begin}) {kind}; phases[{index + 1}].begin must be {before.end + 1}'
                )
        if self.phases[-1].end is not None:
            raise InputError(
                f'phases[{len(self.phases) - 1}].end={self.phases[-1].end}: the last phase lasts to the end of the '
                'run; leave its end out'
            )

    @property
    def terms(self) -> set[str]:
        """All terms that the phases name."""
        return {term for phase in self.phases for term in phase.weights}

    def index(self, clock: Clock) -> int:
        """Returns the index of the phase that the next iteration belongs to."""
        moment = clock.count(self.by) + 1
        return max(index for index, phase in enumerate(self.phases) if phase.begin <= moment)

    def at(self, clock: Clock) -> Phase:
        """Returns the phase that the next iteration belongs to."""
        return self.phases[self.index(clock)]


def _parse(index: int, phase: Mapping[str, Any]) -> Phase:
    where = f'phases[{index}]'
    if not isinstance(phase, Mapping):
        raise InputError(f'{where}={phase!r} must be a dict with {", ".join(KEYS)}')
    for key in phase:
        if key not in KEYS:
            raise InputError(f'{where}.{key} is unknown; a phase has {", ".join(KEYS)}')
    if phase.get('by', 'epoch') not in ('epoch', 'iter'):
        raise InputError(f"{where}.by={phase['by']!r} must be 'epoch' or 'iter'")
    begin, end = phase.get('begin', 1), phase.get('end')
    for key, value in (('begin', begin), ('end', end)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InputError(f'{where}.{key}={value!r} must be a whole number from 1')
    if end is not None and end < begin:
        raise InputError(f'{where}.end={end} lies before its begin={begin}')
    weights = phase.get('weights')
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f'{where}.weights={weights!r} must name the weight of at least one term, as in dict(task=1.0)')
    for term, weight in weights.items():
        if not isinstance(weight, int | float) or not 0 <= weight <= sys.float_info.max:
            raise InputError(f'{where}.weights.{term}={weight!r} must be a number from 0')
    if not any(weights.values()):
        raise InputError(f'{where}.weights: every weight is 0, nothing would be trained')
    name = str(phase.get('name', f'phase{index + 1}'))
    return Phase(name, begin, end, MappingProxyType({term: float(weight) for term, weight in weights.items()}))
