"""Report of a dry run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..engine.dry_run import DryRun
from ..engine.teachers.doubts import doubts
from ..engine.teachers.store import read_teacher
from ..errors import InputError
from ..evaluation.dry_run import dry_run_record, gradient_ratios, suggest_weights
from ..evaluation.score_text import sentence
from ..evaluation.verdict_text import finding_line
from .teacher_training import trained_teacher

COLUMNS = (
    'term',
    'value',
    'weight',
    'share',
    'gradient norm',
    "weighted, of task's",
    'cosine with task',
    'weight for declared share',
)


def find_teacher(config: Config, data_root: str | None) -> Path:
    """Returns the teacher's file, and refuses it where a run would."""
    path = trained_teacher(config, data_root)
    _, card = read_teacher(path)
    doubt = doubts(card, config)
    if doubt and config.model.get('teacher_check', 'error') == 'error':
        raise InputError(doubt)
    return path


def as_record(found: DryRun) -> dict[str, Any]:
    """Returns a record of one epoch for the diagnosis."""
    scores = dict(mIoU=found.scores.get('mIoU'), teacher_mIoU=found.scores.get('teacher/mIoU'))
    chance = math.log(len(found.classes)) if found.classes else None
    dataset = dict(classes=found.classes, chance_loss=chance)
    return dry_run_record(found.steps, found.phase, found.weights, dataset, scores)


def show(found: DryRun, entry: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Prints the table of terms, the scores, the cost and the findings."""
    suggested = suggest_weights(entry['weights'], entry['terms'])
    measured = entry['gradients'] or dict(norm={}, cosine={}, cosine_all=None)
    table = Table(title=Text(f'Phase {found.phase!r}: means over {len(found.steps)} iterations from the start'))
    ratios = gradient_ratios(entry.get('effective') or entry['weights'], measured['norm'])
    for name in COLUMNS:
        table.add_column(name, justify='left' if name == 'term' else 'right')
    for term, weight in entry['weights'].items():
        norm = measured['norm'].get(term)
        table.add_row(
            term,
            _figure(entry['terms'].get(term)),
            f'{weight:g}',
            _figure(entry['shares'].get(term), '.1%'),
            'dead' if norm == 0 else _figure(norm, '.3g'),
            _figure(ratios.get(term), '.0%'),
            _figure(measured['cosine'].get(term), '+.2f'),
            _figure(suggested[term], '.3g'),
        )
    console.print(table)
    teacher, student = found.scores.get('teacher/mIoU'), found.scores.get('mIoU')
    chance = f'{math.log(len(found.classes)):.4f}' if found.classes else 'unknown'
    lines = [
        f'Gradients of task and levels together: cosine {_figure(measured["cosine_all"], "+.2f")}',
        f'On {found.sample} of {found.validation} validation images: teacher mIoU {_figure(teacher, ".2f")} (recorded '
        f'{_figure(found.teacher.get("mIoU"), ".2f")}), the new student {_figure(student, ".2f")}; chance level of the '
        f'task loss {chance}',
        *([sentence(found.knowledge.line())] if found.knowledge else []),
        f'Whole run: {found.iterations} iterations, about {_duration(found.seconds)} here; peak memory {found.gib:.1f} '
        'GiB',
        *(finding_line(finding) for finding in findings),
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if not findings:
        console.print('Nothing found that would keep it from working.', style='green')


def _figure(value: float | None, form: str = '.4g') -> str:
    return '-' if value is None else format(value, form)


def _duration(seconds: float) -> str:
    return f'{seconds / 60:.0f} min' if seconds >= 90 else f'{seconds:.0f} s'
