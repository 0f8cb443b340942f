"""Diagnosis of a run during training."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError, RunStopped
from ...evaluation.diagnosis import diagnose
from ...evaluation.verdict_text import finding_line
from ..runner_model import model_of
from .record_hook import RecordHook


@HOOKS.register_module()
class DiagnosisHook(Hook):
    """Diagnoses the record after every epoch, and warns once of each finding.

    At intervals it has the model measure the gradients of its terms, on a batch of the training itself.

    Args:
        interval: Iterations between two measurements. Each costs about a quarter of a step, so 50 is half a percent of
            the run. 0 disables them.
        strict: Whether a finding stops the run (exit status 1; the record's status is ``failed``).

    Raises:
        RunStopped: There is a finding, with ``strict``.
    """

    priority = 75  # after RecordHook, whose entry it reads

    def __init__(self, interval: int = 50, strict: bool = False) -> None:
        if not isinstance(interval, int) or interval < 0:
            raise InputError(f'DiagnosisHook: interval={interval!r} must be a number of iterations from 0 (0: never)')
        self.interval, self.strict = interval, strict

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        model = model_of(runner)
        if hasattr(model, 'measures_gradients'):
            model.measures_gradients = bool(self.interval) and runner.iter % self.interval == 0

    def after_train_epoch(self, runner: Runner) -> None:
        self._look(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._look(runner)

    def _look(self, runner: Runner) -> None:
        hook = next((hook for hook in runner.hooks if isinstance(hook, RecordHook)), None)
        if hook is None or not hook.record.get('epochs'):
            return
        known = {finding['check'] for finding in hook.record['findings']}
        new = [finding for finding in diagnose(hook.record) if finding['check'] not in known]
        if not new:
            return
        hook.add_findings(new)
        for finding in new:
            runner.logger.warning(finding_line(finding))
        if self.strict:
            raise RunStopped(f'stopped after a finding (--strict): {finding_line(new[0])}')
