"""Criteria of a single run, from its record."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .alike import Record, unlike
from .conventions import SEEDS

IMPROVEMENT = 0.20  # fraction by which the task loss must fall
FINAL_TASK_LOSS = 1.5  # for 7 classes; scaled with chance level
TOTAL = 40.0  # the earlier experiment ended at 53.1705
SPIKE = 25.0  # a step's total over its epoch's median; healthy runs on real tiles, batches of four, peak at 3 to 12
ONE_RUN = f'one seed does not tell a difference from chance, {SEEDS} may'
NO_VAL = 'no validation'
GRADIENT_NORM = 1000.0  # before clipping; healthy runs of SegFormer-B0 on real tiles peak at 50 to 210


def judge(record: Record, baseline: Record | None = None, control: Record | None = None) -> dict[str, dict[str, Any]]:
    """Judges a run.

    Args:
        record: The run's record.
        baseline: Record of the run to improve on, if there is one.
        control: Record of the same student trained without a teacher, on the same data.

    Returns:
        For each criterion: ``value``, ``target``, ``met`` (True, False, or None if it was not shown) and ``reason``.
    """
    return dict(
        task_loss_improvement=_task_loss_improvement(record, baseline),
        task_loss_final=_task_loss_final(record),
        training_stability=_training_stability(record),
        distill_loss_falls=_distill_loss_falls(record),
        total_loss=_total_loss(record),
        knowledge_transfer=_knowledge_transfer(record, control),
    )


def scaled(target: float, record: Record) -> float:
    """Scales a task loss given for 7 classes to the record's number of classes; unchanged if that is not known."""
    return target * (record['dataset']['chance_loss'] or math.log(7)) / math.log(7)


def validated(record: Record, key: str) -> list[tuple[int, float]]:
    """Returns (epoch, value) of a validation score, for epochs that have a finite one."""
    entries = ((entry['epoch'], (entry.get('val') or {}).get(key)) for entry in record['epochs'])
    return [(epoch, value) for epoch, value in entries if value is not None and _is_number(value)]


def final(record: Record, key: str) -> Any:
    """Returns a score of the last validation; None if there was none, or it is non-finite."""
    validated_last = [entry['val'] for entry in record['epochs'] if entry.get('val')]
    if record.get('status') == 'finished' and record['epochs'] and not record['epochs'][-1].get('val'):
        return None  # a finished run ends with a validation; an earlier score is not that of the final student
    value = validated_last[-1].get(key) if validated_last else None
    return value if value is not None and _is_number(value) else None


def _is_number(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def distilling(record: Record) -> list[Mapping[str, Any]]:
    """Returns the epochs in which some level had a weight above 0."""
    return [
        entry
        for entry in record['epochs']
        if any(weight > 0 for term, weight in entry['weights'].items() if term != 'task')
    ]


def agreement(record: Record) -> tuple[float, float] | None:
    """Returns the agreement with the teacher, in percent, before distillation and at the end; None unless both exist.

    If distillation is on from the start, the first value is that of the first validation.
    """
    on, found = distilling(record), validated(record, 'teacher_agreement')
    if not on or len(found) < 2 or final(record, 'teacher_agreement') is None:
        return None
    before = [value for epoch, value in found[:-1] if epoch < on[0]['epoch']] or [found[0][1]]
    return before[-1], found[-1][1]


def agreement_since(record: Record) -> str:
    """Returns in words when the first value of :func:`agreement` was measured."""
    on, epoch = distilling(record), validated(record, 'teacher_agreement')[0][0]
    return 'before distillation' if epoch < on[0]['epoch'] else f'in epoch {epoch}'


def _verdict(value: Any, target: Any, met: bool | None, reason: str) -> dict[str, Any]:
    return dict(value=value, target=target, met=met, reason=reason)


def _task_loss_improvement(record: Record, baseline: Record | None) -> dict[str, Any]:
    losses = validated(record, 'task_loss')
    if len(losses) < 2:
        return _verdict(None, IMPROVEMENT, None, 'fewer than two validations')
    (first_epoch, first), (last_epoch, last) = losses[0], losses[-1]
    if final(record, 'task_loss') is None or not first:
        return _verdict(None, IMPROVEMENT, False, 'the last validation gave no task loss, or the first one gave 0')
    value = 1 - last / first
    met = value > IMPROVEMENT
    reason = f'validation task loss {first:.4f} in epoch {first_epoch}, {last:.4f} in epoch {last_epoch}'
    theirs = validated(baseline, 'task_loss') if baseline else []
    if theirs and theirs[-1][1]:
        against = 1 - last / theirs[-1][1]
        met = met and against > IMPROVEMENT
        reason += f'; {against:.1%} below the {theirs[-1][1]:.4f} of {baseline["experiment"]}'  # type: ignore[index]
    return _verdict(value, IMPROVEMENT, met, reason)


def _task_loss_final(record: Record) -> dict[str, Any]:
    last, target, chance = final(record, 'task_loss'), scaled(FINAL_TASK_LOSS, record), record['dataset']['chance_loss']
    if last is None:
        seen = bool(validated(record, 'task_loss'))
        reason = 'a non-finite score in the last validation' if seen else NO_VAL
        return _verdict(None, target, False if seen else None, reason)
    reason = f'{last / chance:.0%} of chance level, which is {chance:.4f}' if chance else 'chance level is not known'
    return _verdict(last, target, last < target, reason)


def _training_stability(record: Record) -> dict[str, Any]:
    stability = [(entry['epoch'], entry['stability']) for entry in record['epochs']]
    if not stability:
        return _verdict(None, SPIKE, None, 'no epoch was finished')
    nonfinite = sum(values['nonfinite'] for _, values in stability)
    skipped = sum(values.get('skipped') or 0 for _, values in stability)
    back = record.get('rolled_back') or 0
    spike, spike_epoch = _worst(stability, 'max_over_median')
    norm, norm_epoch = _worst(stability, 'grad_norm_max')
    faults = []
    if nonfinite:
        faults.append(f'{nonfinite} steps with a non-finite loss')
    if skipped:
        faults.append(f'{skipped} steps skipped for a non-finite gradient')
    if back:
        faults.append(f'{back} roll-back{"s" * (back > 1)} to an earlier checkpoint')
    if spike is not None and any(is_spike(entry, record) for entry in record['epochs']):
        faults.append(f'a step of epoch {spike_epoch} at {spike:.1f} times the median')
    if norm is not None and norm > GRADIENT_NORM:
        faults.append(f'a gradient norm of {norm:.0f} in epoch {norm_epoch}')
    spikes = 'unknown' if spike is None else f'{spike:.1f} times the median'
    norms = 'unknown' if norm is None else f'{norm:.1f}'
    reason = '; '.join(faults) or f'every loss finite, highest {spikes}, highest gradient norm {norms}'
    return _verdict(spike, SPIKE, not faults, reason)


def is_spike(entry: Mapping[str, Any], record: Record) -> bool:
    """Returns whether the total of some step in an epoch was far above the median, and above chance level.

    Late in a good run the median is so small that a single hard image can be many times larger.
    """
    value, peak = entry['stability']['max_over_median'], entry['stability'].get('peak')
    if value is None or value <= SPIKE:
        return False
    if peak is None and entry['total'] is not None:
        peak = value * entry['total']
    chance = record['dataset']['chance_loss']
    return chance is None or peak is None or peak > chance


def _worst(stability: Sequence[tuple[int, Mapping[str, Any]]], key: str) -> tuple[float | None, int | None]:
    found = [(values[key], epoch) for epoch, values in stability if values[key] is not None]
    return max(found) if found else (None, None)


def _distill_loss_falls(record: Record) -> dict[str, Any]:
    found = [
        (entry['epoch'], entry['terms']['distill'])
        for entry in distilling(record)
        if entry['terms'].get('distill') is not None
    ]
    if len(found) < 2:
        return _verdict(None, 0.0, None, 'the logits level was on in fewer than two epochs')
    (first_epoch, first), (last_epoch, last) = found[0], found[-1]
    reason = f'{first:.4f} in epoch {first_epoch}, {last:.4f} in epoch {last_epoch}; that alone says nothing'
    return _verdict(last - first, 0.0, last < first, reason)


def _total_loss(record: Record) -> dict[str, Any]:
    if not record['epochs']:
        return _verdict(None, TOTAL, None, 'no epoch was finished')
    last = record['epochs'][-1]['total']
    if last is None or not _is_number(last):
        return _verdict(None, TOTAL, False, 'no step of the last epoch gave a number')
    reason = 'totals under other weights or another KL do not compare'
    return _verdict(last, TOTAL, last < TOTAL, reason)


def _knowledge_transfer(record: Record, control: Record | None) -> dict[str, Any]:
    target = f'agreement rises, and mIoU above the control, in {SEEDS} seeds'
    scores, agreed = validated(record, 'mIoU'), agreement(record)
    if agreed is None or not scores:
        why = 'no level of distillation was on, or there were fewer than two validations'
        return _verdict(None, target, None, f'not shown: {why}')
    before, last = agreed
    reason = f'agreement with the teacher {before:.1f} % {agreement_since(record)}, {last:.1f} % at the end'
    if last <= before:
        return _verdict(last, target, False, reason)
    theirs = validated(control, 'mIoU') if control else []
    if not theirs:
        name = record.get('control') or 'no_distill'
        return _verdict(last, target, None, f'{reason}; not shown without a finished run of its control, {name}')
    gain = scores[-1][1] - theirs[-1][1]
    reason += f'; mIoU {scores[-1][1]:.2f} against {theirs[-1][1]:.2f} of the control'
    apart = unlike(record, control)  # type: ignore[arg-type]
    if apart:
        return _verdict(gain, target, None, f'{reason}, which is none: {"; ".join(apart)}')
    return _verdict(gain, target, None, f'{reason}; not shown: {ONE_RUN}')
