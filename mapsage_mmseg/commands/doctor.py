"""The doctor: a dry run that reports whether a distillation can work, how its terms are balanced, and what it costs."""

import argparse
from collections.abc import Sequence

from ..errors import InputError
from . import cli
from .arguments import add_debug, add_overrides, add_skip_check

FATAL = ('nonfinite', 'dead_level')


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser."""
    parser = argparse.ArgumentParser(
        description='Run a few iterations of a distillation and say what to expect of it; nothing is kept.',
        allow_abbrev=False,
    )
    parser.add_argument('config', help='the config of a distillation, such as configs/distill/improved.py')
    parser.add_argument('--data-root', metavar='PATH', help="folder with dataset.yaml, or of the config's own data set")
    add_skip_check(parser)
    parser.add_argument('--iterations', type=int, default=20, metavar='N', help='of the last phase (default 20)')
    parser.add_argument('--images', type=int, default=16, metavar='N', help='validation images to score (default 16)')
    parser.add_argument('--seed', type=int, help='seed of weights, order, augmentation and dropout')
    add_overrides(parser)
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Runs the dry run and prints its findings."""
    arguments = cli.parse(parser(), argv)
    for name in ('iterations', 'images'):
        if getattr(arguments, name) < 2:
            raise InputError(f'--{name} {getattr(arguments, name)} must be a whole number from 2')
    from ..compat import keep_freed_memory
    from ..engine.dry_run import dry_run
    from ..evaluation.diagnosis import diagnose
    from ..settings.load import is_distillation
    from ..training.dry_run_report import as_record, find_teacher, show
    from ..training.options import TrainOptions
    from ..training.session import prepare
    from ..visualization import terminal

    keep_freed_memory()
    config = prepare(arguments.config, TrainOptions.of(arguments))
    if not is_distillation(config):
        raise InputError(f'{arguments.config} has no teacher; the doctor looks at distillations')
    config.model.teacher_ckpt = str(find_teacher(config, arguments.data_root))
    config.model.teacher_check = 'warn'  # checked above; on a sample of the data it could not be
    found = dry_run(config, arguments.iterations, arguments.images)
    record = as_record(found)
    findings = diagnose(record)
    show(found, record['epochs'][0], findings, terminal.console())
    fatal = [finding['evidence'] for finding in findings if finding['check'] in FATAL]
    if fatal:
        raise InputError(f'{arguments.config} cannot work: {"; ".join(fatal)}')
