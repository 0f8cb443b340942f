"""Pure functions of a run's progress; neither torch nor the runner."""

from .clock import Clock
from .phases import Phase, PhaseSchedule
from .temperature import TemperatureSchedule

__all__ = ['Clock', 'Phase', 'PhaseSchedule', 'TemperatureSchedule']
