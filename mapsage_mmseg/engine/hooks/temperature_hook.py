"""Sets the temperature of the softened logits."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ...schedules import TemperatureSchedule
from ..clock import read_clock
from ..runner_model import model_of


@HOOKS.register_module()
class TemperatureHook(Hook):
    """Sets the temperature of the softened logits by a schedule, and logs it.

    Args:
        start, end, shape, by: As for :class:`~mapsage_mmseg.schedules.TemperatureSchedule`.
        iters_per_epoch: Length of an epoch under an iteration loop.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        start: float = 6.0,
        end: float = 3.0,
        shape: str = 'linear',
        by: str = 'epoch',
        iters_per_epoch: int | None = None,
    ) -> None:
        self.schedule = TemperatureSchedule(start, end, shape, by)
        self.iters_per_epoch = iters_per_epoch

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        if not hasattr(model, 'distiller'):
            raise InputError(f'TemperatureHook needs a model with a distiller; this is {type(model).__name__}')
        self.distiller = model.distiller
        self.before_train_iter(runner, 0)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.distiller.temperature is None:  # no level has one: an ablation without logits
            return
        self.distiller.temperature = self.schedule.at(read_clock(runner, self.iters_per_epoch))
        runner.message_hub.update_info('distill/temperature', self.distiller.temperature)
