"""Pure functions of a run's progress, without torch or the runner."""

from .clock import Clock
from .phases import Phase, PhaseSchedule
from .temperature import TemperatureSchedule

__all__ = ['Clock', 'Phase', 'PhaseSchedule', 'TemperatureSchedule']
