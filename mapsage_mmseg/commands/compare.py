"""The compare command: tables on the terminal, and reports as HTML, Markdown or JSON."""

import argparse
import json
from collections.abc import Sequence

from ..errors import InputError
from ..evaluation.conventions import CONTROL, MATTERS
from . import cli
from .arguments import add_debug

MOST_LOOKS = 50  # seeds


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser: the runs, what to compare them with, and where to write."""
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
    parser.add_argument(
        '--looks',
        type=int,
        nargs=2,
        metavar=('FIRST', 'LAST'),
        help='the runs were compared after each seed from FIRST on, and could stop before LAST (repeat --until-clear)',
    )
    parser.add_argument('-o', '--output', metavar='FILE', help='write a report, one HTML file')
    parser.add_argument('--markdown', metavar='FILE', help='write the tables as Markdown')
    parser.add_argument('--json', metavar='FILE', help='write the figures as JSON')
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Compares the given runs."""
    arguments = cli.parse(parser(), argv)
    looks = tuple(arguments.looks) if arguments.looks else None
    if looks and not 2 <= looks[0] <= looks[1] <= MOST_LOOKS:
        raise InputError(f'--looks {looks[0]} {looks[1]}: expected two numbers of seeds, from 2 to {MOST_LOOKS}')
    from ..evaluation.comparison_text import markdown
    from ..evaluation.read_runs import compare_by_data
    from ..output_files import write
    from ..visualization import terminal
    from ..visualization.terminal_tables import show_comparison

    sections = compare_by_data(arguments.runs, arguments.control, arguments.names, arguments.matters, looks)
    console = terminal.console()
    for found in sections:
        show_comparison(found, console)
    if arguments.json:
        figures = [found.comparison.as_dict() for found in sections]
        write(arguments.json, json.dumps(figures[0] if len(figures) == 1 else figures, indent=1))
    if arguments.markdown:
        write(arguments.markdown, '\n'.join(markdown(found.comparison, found.answers) for found in sections))
    if arguments.output:
        from ..visualization.report import render_all  # only here: matplotlib takes a second to import

        write(arguments.output, render_all(sections))
        print(f'Report: {arguments.output}')
