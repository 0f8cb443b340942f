"""Sets the weights of the loss terms, phase by phase."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ...schedules import PhaseSchedule
from ..clock import read_clock
from ..runner_model import model_of


@HOOKS.register_module()
class PhaseAwareHook(Hook):
    """Sets the weights of the loss terms to those of the current phase, and logs them.

    It reads the clock before every iteration, so it works under epoch and iteration loops alike and needs no state to
    resume.

    Args:
        phases: As for :class:`~mapsage_mmseg.schedules.PhaseSchedule`.
        iters_per_epoch: Length of an epoch under an iteration loop.

    Raises:
        InputError: Phases overlap, leave a gap, or name a term that the model does not have.
    """

    priority = 'NORMAL'

    def __init__(self, phases: Sequence[Mapping[str, Any]], iters_per_epoch: int | None = None) -> None:
        self.schedule = PhaseSchedule(phases)
        self.iters_per_epoch = iters_per_epoch
        self._current: int | None = None

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        if not hasattr(model, 'set_loss_weights'):
            raise InputError(
                f'PhaseAwareHook needs a model with named terms, MultiLevelDistill; this is {type(model).__name__}'
            )
        for phase in self.schedule.phases:
            model.set_loss_weights(phase.weights)
        self._warn_of_unreached(runner)
        self._current = None
        self.before_train_iter(runner, 0)

    def _warn_of_unreached(self, runner: Runner) -> None:
        now = read_clock(runner, self.iters_per_epoch)
        last = self.schedule.index(dataclasses.replace(now, iter=now.max_iters - 1))
        for phase in self.schedule.phases[last + 1 :]:
            runner.logger.warning(
                f'Phase {phase.name!r} begins at {self.schedule.by} {phase.begin}, and the run ends before it: it is '
                'never reached. A shorter run wants shorter phases (default_hooks.phases.phases)'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        index = self.schedule.index(read_clock(runner, self.iters_per_epoch))
        if index == self._current:
            return
        phase = self.schedule.phases[index]
        model = model_of(runner)
        model.set_loss_weights(phase.weights)
        terms = ('task', *model.distiller.levels)
        runner.message_hub.update_info('distill/phase', dict(index=index + 1, name=phase.name))
        runner.message_hub.update_info('distill/weights', {term: model.loss_weights.get(term, 0.0) for term in terms})
        weights = ', '.join(f'{term} {model.loss_weights.get(term, 0.0):g}' for term in terms)
        runner.logger.info(
            f'Phase {index + 1} of {len(self.schedule.phases)} ({phase.name}) from iteration {runner.iter + 1}: '
            f'{weights}'
        )
        self._current = index
