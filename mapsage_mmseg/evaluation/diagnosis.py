"""Diagnosis of a run from its record: situation, evidence, advice."""

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from .criteria import (
    FINAL_TASK_LOSS,
    GRADIENT_NORM,
    SPIKE,
    Record,
    agreement_since,
    distilling,
    is_spike,
    scaled,
    validated,
)

AT_CHANCE = 0.95  # times chance level; from here on, a task loss counts as chance
DIVERGED = 1.5  # times chance level; from here on, a task loss counts as diverged
FLAT = 0.01  # fraction by which the task loss must fall within the window
WINDOW = 5  # epochs (validations)
AGREES = 95.0  # percent of pixels on which student and teacher agree; from here on, a small term means success
DOMINANT = 0.80  # maximum share of the total for a level of distillation
TASK_ALONE = 0.95  # share of the task above which distillation has no effect
CONFLICT = -0.10  # cosine of the task's and the levels' gradients, mean over the window
DEAD = 1e-6  # gradient norm of a level, as a share of the largest one

FALLBACKS = dict(
    stalled='configs/distill/fallbacks/stalled.py',
    weak_transfer='configs/distill/fallbacks/weak_transfer.py',
    unstable='configs/distill/fallbacks/unstable.py',
)
Evidence = str | None


def diagnose(record: Record) -> list[dict[str, Any]]:
    """Diagnoses a run up to its last recorded epoch.

    Args:
        record: The run's record, after any of its epochs.

    Returns:
        Findings: ``epoch``, ``check``, ``situation`` (``stalled``, ``weak_transfer`` or ``unstable``), ``evidence`` and
        ``suggestion``. Empty for a healthy run.
    """
    if not record['epochs']:
        return []
    findings = []
    for check, (situation, look, advice) in CHECKS.items():
        evidence = look(record)
        if evidence:
            findings.append(
                dict(
                    epoch=record['epochs'][-1]['epoch'],
                    check=check,
                    situation=situation,
                    evidence=evidence,
                    suggestion=f'{advice}; next: {FALLBACKS[situation]}',
                )
            )
    return findings


def _last(record: Record) -> Mapping[str, Any]:
    return record['epochs'][-1]


def _task_phase(record: Record) -> int:
    """Returns the number of epochs before distillation; if there was none, the epoch of the first milestone."""
    on = distilling(record)
    return on[0]['epoch'] - 1 if on and on[0]['epoch'] > 1 else WINDOW


def _nonfinite(record: Record) -> Evidence:
    stability = _last(record)['stability']
    steps = max(stability['nonfinite'], stability.get('skipped', 0))
    return f'{steps} steps of epoch {_last(record)["epoch"]} with a non-finite loss or gradient' if steps else None


def _spike(record: Record) -> Evidence:
    value = _last(record)['stability']['max_over_median']
    if not is_spike(_last(record), record):
        return None
    return f'a step of epoch {_last(record)["epoch"]} with {value:.1f} times the median total (bound {SPIKE:g})'


def _steep(record: Record) -> Evidence:
    value = _last(record)['stability']['grad_norm_max']
    if value is None or value <= GRADIENT_NORM:
        return None
    return (
        f'a gradient norm of {value:.0f} in epoch {_last(record)["epoch"]} (bound {GRADIENT_NORM:g}, before clipping)'
    )


def _diverged(record: Record) -> Evidence:
    chance, losses = record['dataset']['chance_loss'], validated(record, 'task_loss')
    if not chance or not losses or losses[-1][1] < DIVERGED * chance:
        return None
    return f'validation task loss {losses[-1][1]:.4g} in epoch {losses[-1][0]}, chance level is {chance:.4f}'


def _at_chance(record: Record) -> Evidence:
    chance, losses = record['dataset']['chance_loss'], validated(record, 'task_loss')
    if not chance or not losses:
        return None
    epoch, loss = losses[-1]
    if epoch < _task_phase(record) or not AT_CHANCE * chance <= loss < DIVERGED * chance:
        return None
    classes = len(record['dataset']['classes'])
    share = f'{loss / chance:.0%} of chance level, {chance:.4f} for {classes} classes'
    return f'validation task loss {loss:.4f} in epoch {epoch}: {share}'


def _flat(record: Record) -> Evidence:
    losses = [loss for _, loss in validated(record, 'task_loss')]
    if len(losses) <= WINDOW or not record['dataset']['chance_loss']:
        return None
    before, lately, target = min(losses[:-WINDOW]), min(losses[-WINDOW:]), scaled(FINAL_TASK_LOSS, record)
    if lately < target or lately < before * (1 - FLAT):
        return None
    return (
        f'validation task loss {lately:.4f} at best in the last {WINDOW} epochs, {before:.4f} before them '
        f'(target {target:.4f})'
    )


def _dominant(record: Record) -> Evidence:
    entry = _last(record)
    found = [(share, term) for term, share in entry['shares'].items() if share is not None and term != 'task']
    if not found or max(found)[0] <= DOMINANT:
        return None
    (share, term), weights = max(found), entry.get('effective') or entry['weights']
    return (
        f'{term} makes {share:.1%} of the total in epoch {entry["epoch"]}: weight {weights[term]:.4g}, '
        f'value {entry["terms"][term]:.4g}, task {entry["terms"]["task"]:.4g}'
    )


def _task_alone(record: Record) -> Evidence:
    entry = _last(record)
    share = entry['shares'].get('task')
    if entry not in distilling(record) or share is None or share <= TASK_ALONE or _agrees(record):
        return None
    return f'the task makes {share:.1%} of the total in epoch {entry["epoch"]}; the levels weigh next to nothing'


def _agrees(record: Record) -> bool:
    """Returns whether the student agrees with its teacher, so that the levels' terms are small."""
    found = validated(record, 'teacher_agreement')
    return bool(found) and found[-1][1] >= AGREES


def _dead_level(record: Record) -> Evidence:
    entry = _last(record)
    norms = (entry.get('gradients') or {}).get('norm') or {}
    largest = max(norms.values(), default=0.0)
    dead = [term for term, norm in norms.items() if entry['weights'].get(term) and norm <= DEAD * largest]
    if not dead or not largest:
        return None
    return (
        f'{", ".join(dead)}: no gradient at the student in epoch {entry["epoch"]}, while the largest term has '
        f'{largest:.3g}'
    )


def _teacher_no_better(record: Record) -> Evidence:
    if not distilling(record) or _last(record) not in distilling(record):
        return None
    teacher, student = validated(record, 'teacher_mIoU'), validated(record, 'mIoU')
    if not teacher or not student or teacher[-1][1] > student[-1][1]:
        return None
    began = distilling(record)[0]['epoch']
    passed = next((epoch for epoch, score in student if score >= teacher[-1][1]), student[-1][0])
    if sum(began <= epoch < passed for epoch, _ in student) >= WINDOW:  # the student overtook a better teacher
        return None
    return (
        f'the teacher scores mIoU {teacher[-1][1]:.2f}, the student {student[-1][1]:.2f} in epoch {student[-1][0]}, on '
        'the same validation'
    )


def _conflict(record: Record) -> Evidence:
    found = [
        (entry['gradients']['cosine_all'], entry['epoch'])
        for entry in distilling(record)
        if (entry.get('gradients') or {}).get('cosine_all') is not None
    ][-WINDOW:]
    if len(found) < WINDOW or fmean(cosine for cosine, _ in found) >= CONFLICT:
        return None
    return (
        f'cosine {fmean(cosine for cosine, _ in found):.2f} between the gradients of task and levels, mean over epochs '
        f'{found[0][1]} to {found[-1][1]}'
    )


def _no_transfer(record: Record) -> Evidence:
    on = {entry['epoch'] for entry in distilling(record)}
    agreement = validated(record, 'teacher_agreement')
    after = [value for epoch, value in agreement if epoch in on]
    before = [value for epoch, value in agreement if on and epoch < min(on)] or after[:1]
    if len(after) <= WINDOW or max(after[-WINDOW:]) > before[-1]:
        return None
    since = agreement_since(record)
    rise = f'{before[-1]:.1f} % {since}, {after[-1]:.1f} % after {len(after)} epochs of distillation'
    return f'agreement with the teacher {rise}'


CHECKS: dict[str, tuple[str, Callable[[Record], Evidence], str]] = dict(
    nonfinite=('unstable', _nonfinite, 'lower the learning rate, and look for labels or images that are broken'),
    diverged=('unstable', _diverged, 'lower optim_wrapper.optimizer.lr'),
    spike=('unstable', _spike, 'clip the gradient lower (optim_wrapper.clip_grad.max_norm)'),
    steep=(
        'unstable',
        _steep,
        "lower the weight of the term that is steep; a KL wants reduction='mean', because batchmean sums over pixels",
    ),
    at_chance=('stalled', _at_chance, 'check that labels and images belong together, then give the task longer'),
    flat=('stalled', _flat, 'raise the learning rate or the weight of the task'),
    dominant=(
        'stalled',
        _dominant,
        "lower that weight, or model.balance='shares'; a KL wants reduction='mean', because batchmean sums over pixels",
    ),
    task_alone=('weak_transfer', _task_alone, "raise the levels' weights, or model.balance='shares'"),
    dead_level=('weak_transfer', _dead_level, 'look for a detach, or give the level another source or connector'),
    teacher_no_better=(
        'weak_transfer',
        _teacher_no_better,
        'train the teacher longer or on more; from this one there is nothing to learn',
    ),
    conflict=(
        'weak_transfer',
        _conflict,
        'lower the weight of the level whose cosine is negative (see gradients in result.json)',
    ),
    no_transfer=('weak_transfer', _no_transfer, 'a higher temperature at the start, and weights of the levels'),
)
