"""The test command: scores and pictures of a student, or of its teacher."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import cli
from .arguments import add_debug, add_launcher, add_overrides, add_skip_check


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser: the arguments of MMSegmentation's own tool that fit, and ours."""
    parser = argparse.ArgumentParser(
        description='Score a student, or its teacher, on the validation tiles.', allow_abbrev=False
    )
    parser.add_argument('config', help='a config, or the directory of a run')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help="default: the last checkpoint of the run; with --teacher the teacher's",
    )
    parser.add_argument('--teacher', action='store_true', help='score the teacher instead of the student')
    parser.add_argument('--data-root', metavar='PATH', help='score on this folder: img_dir, ann_dir and dataset.yaml')
    add_skip_check(parser)
    parser.add_argument('--work-dir', help='where logs and pictures go; default: <run>/test or work_dirs/test')
    parser.add_argument('--pictures', type=int, default=8, metavar='N', help='how many pictures to draw (default 8)')
    parser.add_argument('--out', metavar='FILE', help='write the scores as JSON')
    add_overrides(parser)
    add_launcher(parser)
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Scores a student or its teacher, and prints a table."""
    arguments = cli.parse(parser(), argv)
    from mmengine.dist import is_main_process

    from ..compat import keep_freed_memory
    from ..engine import processes
    from ..output_files import check_writable, write
    from ..settings.load import load_config
    from ..training.testing import TestOptions, test

    keep_freed_memory()
    if arguments.launcher != 'none':
        run = Path(arguments.config)
        config = load_config(run / 'config.py' if run.is_dir() else run)
        processes.join(arguments.launcher, config.get('env_cfg', {}))
    if arguments.out:
        check_writable(arguments.out)
    found = test(
        arguments.config,
        TestOptions(
            checkpoint=arguments.checkpoint,
            teacher=arguments.teacher,
            data_root=arguments.data_root,
            skip_data_check=arguments.skip_data_check,
            work_dir=arguments.work_dir,
            pictures=arguments.pictures,
            cfg_options=arguments.cfg_options,
            launcher=arguments.launcher,
        ),
    )
    if is_main_process():
        show(found.scores, found.checkpoint)
        if arguments.pictures:
            print(f'Pictures: {Path(found.work_dir) / "pictures"}')
        if arguments.out:
            write(arguments.out, json.dumps(found.scores, indent=1))
    processes.leave()


def show(scores: Mapping[str, float], checkpoint: str) -> None:
    """Prints the scores as a table."""
    from rich.table import Table
    from rich.text import Text

    from ..visualization import terminal

    print(f'Scores of {checkpoint}')
    table = Table()
    table.add_column('score')
    table.add_column('value', justify='right')
    for key, value in scores.items():
        if key not in ('data_time', 'time'):
            table.add_row(Text(key.replace('IoU.', 'IoU of ')), f'{value:.4f}' if 'loss' in key else f'{value:.2f}')
    terminal.console().print(table)
