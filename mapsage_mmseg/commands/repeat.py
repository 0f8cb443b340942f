"""The repeat command: several configs with several seeds, to tell a difference from chance."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..evaluation.conventions import SEEDS
from . import cli
from .arguments import add_debug, add_overrides, add_skip_check

if TYPE_CHECKING:
    from ..training.plan import Run


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser: configs, seeds, and the arguments of the training tool that all runs share."""
    parser = argparse.ArgumentParser(
        description='Run configs with several seeds, each with its control, and compare them. The same command '
        'continues where it was stopped.',
        allow_abbrev=False,
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='such as configs/distill/improved.py')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED', help='default: 0 1 2')
    parser.add_argument(
        '--jobs', type=int, default=1, metavar='N', help='runs at a time, over all CUDA devices (default 1)'
    )
    parser.add_argument('--epochs', type=int, metavar='N', help='another length of every run')
    parser.add_argument('--data-root', metavar='PATH', help="folder with dataset.yaml, or of the config's own data set")
    add_skip_check(parser)
    add_overrides(parser, 'every config')
    parser.add_argument('--no-control', action='store_true', help='do not add the student that is trained alone')
    parser.add_argument(
        '--resume-running',
        action='store_true',
        help='resume runs that say they are running, too: you know that their processes are gone',
    )
    parser.add_argument(
        '--until-clear',
        action='store_true',
        help='stop after the seed from which every difference is clear of chance; intervals are wider in return',
    )
    parser.add_argument('--dry-run', action='store_true', help='show the plan and stop')
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Trains the missing runs of configs times seeds, and compares all of them."""
    arguments = cli.parse(parser(), argv)
    check(arguments)
    from ..training import jobs
    from ..training.arms import arms_of
    from ..training.plan import execute, plan

    arms = arms_of(
        arguments.configs,
        arguments.data_root,
        arguments.cfg_options,
        control=not arguments.no_control,
        skip_data_check=arguments.skip_data_check,
        epochs=arguments.epochs,
    )
    runs = plan(arms, arguments.seeds, arguments.resume_running)
    show(runs)
    if arguments.dry_run:
        return
    for run in runs:
        run.resume_running = arguments.resume_running
    looks = (SEEDS, len(arguments.seeds)) if arguments.until_clear else None
    try:
        with jobs.interruptible():
            runs = execute(runs, arguments.jobs, looks)
    except KeyboardInterrupt:
        print('Stopped; the same command continues from here.', flush=True)
        raise
    conclude(runs, looks)


def check(arguments: argparse.Namespace) -> None:
    """Refuses arguments from which no plan can be made.

    Raises:
        InputError: Seeds are negative or repeated, or ``--jobs`` is below 1.
    """
    seeds = arguments.seeds
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise InputError(f'--seeds {" ".join(map(str, seeds))}: must be whole numbers from 0, each once')
    if arguments.jobs < 1:
        raise InputError(f'--jobs {arguments.jobs}: must be a whole number from 1')
    if arguments.until_clear and len(seeds) <= SEEDS:
        raise InputError(f'--until-clear: name more than {SEEDS} seeds with --seeds, of which it may leave some out')


def show(runs: 'Sequence[Run]') -> None:
    """Prints the plan."""
    from ..training.plan import BUSY, FINISHED, needs_teacher

    width = max(len(run.arm.experiment) for run in runs)
    print(f'{len(runs)} runs, {sum(run.state == FINISHED for run in runs)} of them finished already:')
    for run in runs:
        where = f'  {run.folder}' if run.folder else ''
        print(f'  {run.arm.experiment:<{width}}  seed {run.seed:<4} {run.state}{where}')
    if any(run.state == BUSY for run in runs):
        print('What is running elsewhere is left alone; if its process is gone, --resume-running resumes it.')
    missing = sorted({str(run.arm.teacher) for run in runs if needs_teacher(run)})
    for path in missing:
        print(f'Trained first: the teacher {path}')
    sys.stdout.flush()


def conclude(runs: 'Sequence[Run]', looks: tuple[int, int] | None) -> None:
    """Compares the finished runs, and names the unfinished ones with exit status 1."""
    finished = [run for run in runs if run.finished]
    if finished:
        page = Path(runs[0].arm.root) / f'repeat_{time.strftime("%Y%m%d_%H%M%S")}.html'
        write_comparison([str(run.folder) for run in finished], page, looks)
    missing = [run for run in runs if not run.finished]
    for run in missing:
        print(f'not finished: {run.arm.experiment}, seed {run.seed}: {run.last_words()}', file=sys.stderr)
    if missing:
        raise SystemExit(1)


def write_comparison(folders: Sequence[str], page: Path, looks: tuple[int, int] | None = None) -> None:
    """Compares run directories on the terminal and on an HTML page."""
    from ..evaluation.read_runs import compare_runs
    from ..output_files import write
    from ..visualization import terminal
    from ..visualization.report import render_all
    from ..visualization.terminal_tables import show_comparison

    found = compare_runs(folders, looks=looks)
    show_comparison(found, terminal.console())
    write(str(page), render_all([found]))
