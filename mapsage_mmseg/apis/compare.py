"""The comparison tool: tables on the terminal, and reports as HTML, Markdown or JSON."""

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from ..errors import InputError
from ..evaluation.comparison import CONTROL, MATTERS, Comparison, compare
from ..evaluation.comparison_text import markdown, notes, tables
from ..evaluation.grouping import run_name
from ..evaluation.record import open_record
from ..evaluation.transfer import Answer, answers
from . import terminal
from .output import write

TIME = re.compile(r'\d{8}_\d{6}')
TEACHER = 'teacher'


def parser() -> argparse.ArgumentParser:
    """Arguments: the runs, what to compare them with, and where to write."""
    parser = argparse.ArgumentParser(
        description='Compare runs by experiment: means over seeds, and differences to the control.', allow_abbrev=False
    )
    parser.add_argument('runs', nargs='+', metavar='RUN', help='a run directory, a result.json, or a folder of runs')
    parser.add_argument(
        '--control', metavar='RUN', help=f'the run, or the experiment, to compare with; default: {CONTROL}'
    )
    parser.add_argument(
        '--names', action='store_true', help='compare single runs by the names of their directories, not experiments'
    )
    parser.add_argument(
        '--matters',
        type=float,
        default=MATTERS,
        metavar='MIOU',
        help=f'the smallest difference in mIoU that matters, in percent points (default {MATTERS})',
    )
    parser.add_argument('-o', '--output', metavar='FILE', help='write a report, one HTML file')
    parser.add_argument('--markdown', metavar='FILE', help='write the tables as Markdown')
    parser.add_argument('--json', metavar='FILE', help='write the figures as JSON')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Compares what the arguments name."""
    arguments = parser().parse_args(argv)
    records = [record for path in arguments.runs for record in read_runs(path)]
    records, control = with_control(records, arguments.control, arguments.names)
    comparison = compare(records, control, arguments.matters)
    found = answers(comparison, records)
    show(comparison, found)
    if arguments.json:
        write(arguments.json, json.dumps(comparison.as_dict(), indent=1))
    if arguments.markdown:
        write(arguments.markdown, markdown(comparison, found))
    if arguments.output:
        from ..visualization.report import render  # matplotlib costs a second that the tables alone can do without

        write(arguments.output, render(records, control, matters=arguments.matters))


def read_runs(path: str | Path) -> list[dict[str, Any]]:
    """The records that a path stands for; each with its own ``path``.

    A folder of runs stands for all of them but the teachers': a teacher is no arm, its score is in its students'
    records. One that is named itself is taken.

    Raises:
        InputError: The path does not exist, holds no run, or a record cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f'{path} does not exist; name a run directory, a result.json, or a folder of runs')
    file = path / 'result.json' if path.is_dir() else path
    if file.is_file() or not path.is_dir():
        return [_read(file)]
    found = [_read(file) for file in sorted(path.glob('*/result.json'))]
    runs = [record for record in found if record['experiment'] != TEACHER]
    if not runs:
        raise InputError(f'{path} holds no run: neither it nor a folder in it has a result.json of a student')
    return runs


def _read(file: Path) -> dict[str, Any]:
    return {**open_record(file), 'path': str(file.resolve())}


def with_control(
    records: list[dict[str, Any]], control: str | None, names: bool
) -> tuple[list[dict[str, Any]], str | None]:
    """Adds the control's runs where they are not among the others, and puts all in order, oldest first.

    Args:
        records: Runs, each with its ``path``.
        control: A path, or the name of an experiment among the runs.
        names: Whether a run is named by its directory.

    Returns:
        The records, and the control's name; None where the default will do.
    """
    extra = read_runs(control) if control is not None and Path(control).exists() else []
    by_path = {record['path']: record for record in [*records, *extra]}
    ordered = sorted(by_path.values(), key=_begun)
    if names:
        alone = [run_name(record) for record in ordered if record['experiment'] == CONTROL]
        control = control or (alone[0] if len(alone) == 1 else None)
        ordered = [{**record, 'experiment': run_name(record)} for record in ordered]
    chosen = {by['experiment'] for by in ordered if by['path'] in {record['path'] for record in extra}}
    if len(chosen) > 1:
        raise InputError(f'--control {control}: one experiment is needed, and it holds {", ".join(sorted(chosen))}')
    return ordered, chosen.pop() if chosen else control


def _begun(record: dict[str, Any]) -> str:
    """When a run began, as its directory says; else when its record was written."""
    file = Path(record['path'])
    found = TIME.search(file.parent.name)
    return found[0] if found else time.strftime('%Y%m%d_%H%M%S', time.localtime(file.stat().st_mtime))


def show(comparison: Comparison, found: Sequence[Answer]) -> None:
    """Prints the tables, what has to be known besides, and whether knowledge was transferred."""
    console = terminal.console()
    for content in tables(comparison):
        table = Table(title=Text(content.title), title_justify='left')
        for index, name in enumerate(content.header):
            table.add_column(Text(name), justify='right' if index else 'left')
        for row in content.rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
    for line in notes(comparison):
        console.print(Text(line, style='dim'))
    for answer in found:
        console.print(Text(f'{answer.experiment}: was knowledge transferred? {answer.headline}. {answer.reason}'))
