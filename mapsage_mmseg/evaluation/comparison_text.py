"""A comparison as text tables, for a terminal and for Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .comparison import Comparison, Difference, ExperimentResult
from .score_text import NAMES, NOTHING, plus_minus, share, signed
from .transfer import Answer
from .verdict_text import number

AGAINST = ('mIoU', 'task_loss', 'boundary_f1')


@dataclass(frozen=True)
class TextTable:
    """A table of text with a title; the first column names the row."""

    title: str
    header: list[str]
    rows: list[list[str]]


def tables(comparison: Comparison) -> list[TextTable]:
    """Returns tables of the scores, the differences to the control, the IoU of each class, and the cost."""
    arms = comparison.arms
    found = [
        TextTable(
            f'{comparison.dataset["name"]}: last validation, mean ± half a 95 % interval over seeds',
            ['Experiment', 'Seeds', *NAMES.values(), 'Best mIoU, %'],
            [
                [
                    _marked(arm),
                    _seeds(arm.seeds),
                    *(plus_minus(arm.scores[key], key) for key in NAMES),
                    plus_minus(arm.best),
                ]
                for arm in arms
            ],
        )
    ]
    for control in comparison.controls():
        found.append(
            TextTable(
                f'Against {control}, paired by seed: mean, 95 % interval',
                ['Experiment', 'Seeds', *(NAMES[key] for key in AGAINST), 'Way to the teacher'],
                [_against(arm) for arm in arms if arm.control == control],
            )
        )
    classes = comparison.dataset['classes']
    if classes:
        rows = [[_marked(arm), *(plus_minus(arm.IoU[name]) for name in classes)] for arm in arms]
        found.append(TextTable('IoU of each class, %', ['Experiment', *classes], rows))
    header = ['Experiment', 'Parameters, M', 'GFLOPs', 'Seconds an epoch', 'Commit', 'Device']
    return [*found, TextTable('Cost of the student', header, [_cost(arm) for arm in arms])]


def notes(comparison: Comparison) -> list[str]:
    """Returns the notes below the tables: unfinished runs, and the notes of the comparison."""
    unfinished = [told for arm in comparison.arms for told in arm.unfinished]
    return [*(f'* Unfinished: {told}.' for told in unfinished), *comparison.notes]


def markdown(comparison: Comparison, answers: Iterable[Answer]) -> str:
    """Returns answers, tables and notes as Markdown."""
    blocks = [f'**{answer.experiment}: {answer.headline}.** {answer.reason}' for answer in answers]
    for table in tables(comparison):
        rule = ['---', *('---:' for _ in table.header[1:])]
        lines = [_line(row) for row in (table.header, rule, *table.rows)]
        blocks.append('\n'.join([f'### {table.title}', '', *lines]))
    return '\n\n'.join([*blocks, *notes(comparison)]) + '\n'


def _against(arm: ExperimentResult) -> list[str]:
    shared = arm.differences['mIoU']
    seeds = _seeds(shared.seeds) if shared else 'none shared'
    return [_marked(arm), seeds, *(_difference(arm.differences[key], key) for key in AGAINST), share(arm.closed)]


def _difference(found: Difference | None, key: str) -> str:
    if found is None:
        return NOTHING
    mean, low, high = (signed(value, key) for value in (found.estimate.mean, found.estimate.low, found.estimate.high))
    interval = f'({low} to {high})' if found.estimate.low is not None else '(one seed)'
    images = (
        '' if found.images is None else f', images {signed(found.images[0], key)} to {signed(found.images[1], key)}'
    )
    return f'{mean} {interval}{images} {found.verdict}'


def _cost(arm: ExperimentResult) -> list[str]:
    seconds = NOTHING if arm.seconds_per_epoch is None else f'{arm.seconds_per_epoch:.1f}'
    return [
        _marked(arm),
        number(arm.params_m),
        number(arm.gflops),
        seconds,
        ', '.join(arm.git_commits) or NOTHING,
        '; '.join(arm.devices),
    ]


def _marked(arm: ExperimentResult) -> str:
    return arm.experiment + ('*' if arm.unfinished else '')


def _seeds(seeds: Sequence[int | None]) -> str:
    return ', '.join(map(str, seeds))


def _line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
