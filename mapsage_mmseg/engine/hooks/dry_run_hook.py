"""Runs a few iterations of each phase and records all their values."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...schedules import PhaseSchedule
from ..guarded_step import gradient_norm


@HOOKS.register_module()
class DryRunHook(Hook):
    """Gives each phase a number of iterations, and measures the gradients in every second one.

    Args:
        phases: As for PhaseAwareHook.
        iterations: Number of iterations of each phase, in order.

    Attributes:
        steps: By phase, the logged values and gradients of each iteration.
        seconds: By phase, the durations of every second iteration, in which no gradients are measured.
        scores, validation_seconds: Metrics and duration of the last validation.
    """

    priority = 'NORMAL'

    def __init__(self, phases: Sequence[Mapping[str, Any]], iterations: Sequence[int]) -> None:
        self.schedule = PhaseSchedule(phases)
        self.order = [phase for phase, count in enumerate(iterations) for _ in range(count)]
        self.steps: list[list[dict[str, float]]] = [[] for _ in iterations]
        self.seconds: list[list[float]] = [[] for _ in iterations]
        self.scores: dict[str, float] = {}
        self.validation_seconds = 0.0

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        runner.model.set_loss_weights(self.schedule.phases[self.order[runner.iter]].weights)
        # Measuring takes time, so every other iteration is timed.
        runner.model.measures_gradients = runner.iter % 2 == 0
        self._began = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        of_terms = {**runner.model.term_gradients, **runner.model.effective_weights}
        measured = {key: float(value) for key, value in of_terms.items()}
        logged = {key: float(value) for key, value in (outputs or {}).items()}
        if (norm := gradient_norm(runner)) is not None:
            logged['grad_norm'] = norm
        phase = self.order[runner.iter]
        self.steps[phase].append(logged | measured)
        if not runner.model.measures_gradients:
            self.seconds[phase].append(time.perf_counter() - self._began)

    def before_val(self, runner: Runner) -> None:
        self._began = time.perf_counter()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.validation_seconds = time.perf_counter() - self._began
        self.scores = dict(metrics or {})
