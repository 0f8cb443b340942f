"""Temperature of the softened logits over a run."""

import math
import sys
from dataclasses import dataclass

from ..errors import InputError
from .clock import Clock

SHAPES = ('linear', 'cosine', 'constant')


@dataclass(frozen=True)
class TemperatureSchedule:
    """T(e) = start - (start - end) * e / E for ``shape='linear'``, after e of E epochs.

    It never reaches ``end``: with start 6, end 3 and 25 epochs it is 6.00 in the first and 3.12 in the last.

    Attributes:
        start: Temperature at the beginning, above 0.
        end: Temperature that the run approaches, above 0; not used for ``'constant'``.
        shape: ``'linear'``, ``'cosine'`` or ``'constant'``.
        by: ``'epoch'`` changes it once per epoch, ``'iter'`` at every iteration.

    Raises:
        InputError: A value is not one of these.
    """

    start: float = 6.0
    end: float = 3.0
    shape: str = 'linear'
    by: str = 'epoch'

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise InputError(f'temperature shape={self.shape!r} must be one of {", ".join(SHAPES)}')
        if self.by not in ('epoch', 'iter'):
            raise InputError(f"temperature by={self.by!r} must be 'epoch' or 'iter'")
        for key in ('start', 'end'):
            value = getattr(self, key)
            if not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
                raise InputError(f'temperature {key}={value!r} must be a number above 0')

    def at(self, clock: Clock) -> float:
        """Returns the temperature of the next iteration."""
        if self.shape == 'constant':
            return float(self.start)
        progress = min(clock.progress(self.by), 1.0)
        if self.shape == 'cosine':
            progress = (1 - math.cos(math.pi * progress)) / 2
        return self.start - (self.start - self.end) * progress
