"""The record of a run: its schema, its figures, its file."""

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
    """An empty record of a run that begins.

    ``gflops`` of student and teacher: forward pass over one training crop, 10^9 operations, 2 a MAC. ``start``:
    fingerprint of the student's first weights. ``control``: the experiment that is the same without a teacher.
    ``is_teacher``: whether it trains one. ``commands``: command lines that repeat it (``train``) and that train its
    ``control``.
    ``images_per_step``: of all ``processes`` together. ``settings``: what decides the run but for the distillation.
    ``rolled_back``: how often it was brought back from non-finite gradients. ``dataset.skipped``: images that became
    unreadable in mid-run.
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
    """An epoch's entry from its steps.

    Args:
        steps: Logged values, step by step: ``loss`` (the total), the unweighted terms and ``weight/<term>`` of the
            steps in which they were computed, ``grad_norm``; where a balance adapts the weights ``effective/<term>``
            and, where that adds to the total, ``weighted``, the total without it; and from the steps that were
            measured ``norm/<term>``, ``cosine/<level>`` and ``cosine_all``. ``labelled``: the share of the processes
            whose images had a label; all, where it is missing, but for tasks of 0.
        weights: Declared weight of each term at the last step.

    Returns:
        ``weights`` as declared, ``effective`` (means of those that held; the same where none adapts them), ``terms``
        (means; null where a term was not computed), ``shares`` (sum over the steps of effective weight times term,
        over the sum of these of all terms), ``total``, ``grad_norm``, ``gradients`` and ``stability`` (``skipped``:
        steps that were left out, their gradient being non-finite; its spikes are those of that sum: a total with a
        balance's penalty can be 0). Means are over the finite steps, that of the task over those with a label: without
        one it is exactly 0, in a step and in a process.
    """
    losses = steps.get('loss', ())
    weighted = steps.get('weighted', losses)
    total = _mean(losses)
    # A segmentor of mmseg's own logs no 'task': its total is the task loss.
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
    # A step without a label weighs nothing: half of them would halve the median.
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
    """Writes a record, whole or not at all, with a checksum of its content in the key ``sha256``."""
    content = _finite(record)
    text = json.dumps({**content, 'sha256': _digest(content)}, indent=1, allow_nan=False)
    write_text(path, text)


def read_record(path: str | Path) -> dict[str, Any] | None:
    """A record, or None where there is none that can be read."""
    try:
        record = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and _holds(record) else None


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _holds(record: dict[str, Any]) -> bool:
    """Takes the checksum out of a record; records without one, of earlier versions or written by hand, hold too."""
    expected = record.pop('sha256', None)
    return expected in (None, _digest(record))


def open_record(path: str | Path) -> dict[str, Any]:
    """A record that a user named.

    Raises:
        InputError: There is none, it cannot be read, or it is of another schema.
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
    """What of an epoch is neither number nor null where one belongs."""
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
    """JSON has no NaN: null stands for what is not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
