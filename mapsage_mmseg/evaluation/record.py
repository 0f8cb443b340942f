"""The record of a run: schema, epoch summaries, file."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ..errors import InputError
from ..whole_file import write_text

SCHEMA = 1
KEYS = ('experiment', 'seed', 'dataset', 'teacher', 'student', 'epochs', 'findings', 'criteria', 'status')
DATASET, ENTRY = (
    ('name', 'classes', 'chance_loss', 'key'),
    ('epoch', 'weights', 'terms', 'shares', 'total', 'stability', 'val'),
)
TERMS = ('task', 'distill', 'feature', 'attention')


def new_record(
    *,
    experiment: str,
    config: str,
    git_commit: str | None,
    seed: int | None,
    device: str,
    versions: Mapping[str, str],
    dataset: str,
    classes: Sequence[str],
    data_key: str,
    teacher: Mapping[str, Any] | None,
    student_params_m: float,
    student_start: str | None = None,
    key: str | None = None,
    control: str | None = None,
    student_gflops: float | None = None,
    processes: int = 1,
    images_per_step: int | None = None,
    settings: Mapping[str, Any] | None = None,
    rolled_back: int = 0,
    is_teacher: bool = False,
    commands: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Creates the empty record of a new run.

    ``gflops`` of student and teacher: forward pass over one training crop, in 10^9 operations, 2 per MAC. ``start``:
    fingerprint of the student's initial weights. ``control``: the same experiment without a teacher. ``is_teacher``:
    whether the run trains a teacher. ``commands``: command lines that repeat the run (``train``) and that train its
    control (``control``). ``images_per_step``: sum over all ``processes``. ``settings``: all settings that affect the
    run, except distillation. ``rolled_back``: number of roll-backs after non-finite gradients. ``dataset.skipped``:
    images that became unreadable during the run.
    """
    chance = math.log(len(classes)) if classes else None
    return dict(
        schema=SCHEMA,
        experiment=experiment,
        key=key,
        control=control,
        is_teacher=is_teacher,
        config=config,
        commands=dict(commands) if commands else None,
        git_commit=git_commit,
        seed=seed,
        device=device,
        processes=processes,
        images_per_step=images_per_step,
        settings=dict(settings) if settings else None,
        rolled_back=rolled_back,
        versions=dict(versions),
        dataset=dict(name=dataset, classes=list(classes), chance_loss=chance, key=data_key, skipped=[]),
        teacher=dict(teacher) if teacher else None,
        student=dict(params_m=student_params_m, gflops=student_gflops, start=student_start),
        epochs=[],
        findings=[],
        criteria={},
        status='running',
    )


def summarise(steps: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> dict[str, Any]:
    """Summarises the steps of an epoch as its entry in the record.

    Args:
        steps: Logged values of each step: ``loss`` (the total) and ``grad_norm``; the unweighted terms and
            ``weight/<term>``, from the steps in which they were computed; ``effective/<term>`` if a balance adapts the
            weights, and ``weighted``, the total without the balance's penalty, if it adds one; ``norm/<term>``,
            ``cosine/<level>`` and ``cosine_all``, from the steps in which they were measured. ``labelled`` is the
            fraction of the processes whose images had a label; if it is missing, it is 1, or 0 where the task is 0.
        weights: Declared weight of each term at the last step.

    Returns:
        ``weights`` as declared; ``effective``, the mean effective weights, equal to ``weights`` without a balance;
        ``terms``, the means of the terms, None for a term that was not computed; ``shares``, the sum over the steps of
        effective weight times term, divided by that sum over all terms; ``total``, ``grad_norm``, ``gradients`` and
        ``stability``. In ``stability``, ``skipped`` counts the steps that were skipped for a non-finite gradient;
        spikes are measured in the total without a balance's penalty, because the total with it can be 0. Means are over
        finite steps. The mean of the task is over steps and processes with a label, because it is exactly 0 without
        one.
    """
    losses = steps.get('loss', ())
    weighted = steps.get('weighted', losses)
    total = _mean(losses)
    # A plain mmseg segmentor logs no 'task': its total is the task loss.
    logged = dict(steps) if 'task' in steps else {**steps, 'task': steps.get('loss', ())}
    names = [*TERMS, *(name for name in weights if name not in TERMS)]
    terms = {name: _mean(logged.get(name, ())) for name in names}
    terms['task'] = _mean_of_labelled(logged['task'], steps.get('labelled'))
    effective = {name: _mean(steps.get(f'effective/{name}', ())) for name in weights}
    parts = {
        name: _sum_of_products(
            logged.get(name, ()),
            steps.get(f'effective/{name}') or steps.get(f'weight/{name}') or repeat(weights.get(name, 0.0)),
        )
        for name in names
    }
    whole = sum(part for part in parts.values() if part is not None)
    shares = {name: part / whole if part is not None and whole else None for name, part in parts.items()}
    norms = [norm for norm in steps.get('grad_norm', ()) if math.isfinite(norm)]
    # Steps without a label are 0 and would lower the median.
    finite = [value for value in weighted if math.isfinite(value)]
    finite = [value for value in finite if value != 0] or finite
    middle = median(finite) if finite else 0.0
    stability = dict(
        nonfinite=sum(not math.isfinite(loss) for loss in losses),
        skipped=len(steps.get('grad_norm', ())) - len(norms),
        max_over_median=max(finite) / middle if finite and middle > 0 else None,
        peak=max(finite) if finite else None,
        grad_norm_max=max(norms) if norms else None,
    )
    return dict(
        weights=dict(weights),
        effective={name: weights[name] if mean is None else mean for name, mean in effective.items()},
        terms=terms,
        shares=shares,
        total=total,
        grad_norm=_mean(norms),
        gradients=_gradients(steps),
        stability=stability,
    )


def _gradients(steps: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    def named(prefix: str) -> dict[str, float | None]:
        return {key.removeprefix(prefix): _mean(values) for key, values in steps.items() if key.startswith(prefix)}

    norms = named('norm/')
    return dict(norm=norms, cosine=named('cosine/'), cosine_all=_mean(steps.get('cosine_all', ()))) if norms else None


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else None


def _mean_of_labelled(values: Sequence[float], labelled: Sequence[float] | None) -> float | None:
    shares = labelled or [float(value != 0) for value in values]
    found = [pair for pair in zip(values, shares, strict=True) if math.isfinite(pair[0])]
    whole = sum(share for _, share in found)
    return sum(value for value, _ in found) / whole if whole else _mean(values)


def _sum_of_products(values: Iterable[float], weights: Iterable[float]) -> float | None:
    finite = [part for value, weight in zip(values, weights, strict=False) if math.isfinite(part := value * weight)]
    return sum(finite) if finite else None


def write_record(path: str | Path, record: Mapping[str, Any]) -> None:
    """Writes a record atomically, with a checksum of its content in the key ``sha256``."""
    content = _finite(record)
    text = json.dumps({**content, 'sha256': _digest(content)}, indent=1, allow_nan=False)
    write_text(path, text)


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Reads a record; None if it does not exist or cannot be read."""
    try:
        record = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and _holds(record) else None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _holds(record: dict[str, Any]) -> bool:
    """Removes the checksum from a record and returns whether it matches. A record without one (of an earlier version,
    or written by hand) is valid."""
    expected = record.pop('sha256', None)
    return expected in (None, _digest(record))


def open_record(path: str | Path) -> dict[str, Any]:
    """Reads a record that a user named.

    Raises:
        InputError: The record does not exist, cannot be read, is incomplete, or has another schema or checksum.
    """
    try:
        record = json.loads(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror}; name a run directory or its result.json') from error
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path} is no JSON ({error}); name the result.json of a run') from error
    schema = record.get('schema') if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise InputError(f'{path}: schema={schema!r}, where {SCHEMA} is needed; it is no record of this version')
    if not _holds(record):
        raise InputError(
            f'{path} is not as it was written: its key sha256 does not hold; take a whole copy, or remove that key if '
            'you changed the record on purpose'
        )
    fault = _fault(record)
    if fault:
        raise InputError(f'{path} {fault}; it is no whole record of a run')
    return record


def _fault(record: Mapping[str, Any]) -> str | None:
    missing = [key for key in KEYS if key not in record]
    if missing:
        return f'has no {", ".join(missing)}'
    for key, kind in dict(dataset=dict, student=dict, epochs=list, findings=list, criteria=dict).items():
        if not isinstance(record[key], kind):
            return f'has {key}={record[key]!r} where a {kind.__name__} belongs'
    if not isinstance(record['seed'], int | None):
        return f'has seed={record["seed"]!r} where a number belongs'
    if not isinstance(record['experiment'], str):
        return f'has experiment={record["experiment"]!r} where a name belongs'
    if not isinstance(record['teacher'], Mapping | None):
        return f'has teacher={record["teacher"]!r} where a dict or null belongs'
    for where, node, keys in (
        ('dataset', record['dataset'], DATASET),
        *((f'epochs[{i}]', e, ENTRY) for i, e in enumerate(record['epochs'])),
    ):
        absent = [key for key in keys if not isinstance(node, Mapping) or key not in node]
        if absent:
            return f'has no {where}.{absent[0]}'
    return next((fault for i, entry in enumerate(record['epochs']) if (fault := _numbers(f'epochs[{i}]', entry))), None)


def _numbers(where: str, entry: Mapping[str, Any]) -> str | None:
    """Describes the first value of an epoch that should be a number or None but is not; None if there is no such
    value."""
    tables = {key: entry[key] for key in ('weights', 'terms', 'shares', 'stability')}
    tables['val'] = entry['val'] or {}
    if isinstance(tables['val'], Mapping):
        tables['val.IoU'] = tables['val'].get('IoU') or {}
    for key, table in tables.items():
        if not isinstance(table, Mapping):
            return f'has {where}.{key}={table!r} where a dict belongs'
    values = {'epoch': entry['epoch'], 'total': entry['total']}
    values |= {f'{key}.{name}': value for key, table in tables.items() for name, value in table.items()}
    values.pop('val.IoU', None)
    wrong = next((key for key, value in values.items() if not isinstance(value, int | float | None)), None)
    return wrong and f'has {where}.{wrong}={values[wrong]!r} where a number belongs'


def _finite(value: Any) -> Any:
    """Replaces non-finite numbers by None: JSON has no NaN or Inf."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
