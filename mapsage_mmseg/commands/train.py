"""The training command."""

import argparse
import ctypes
import signal
import sys
from collections.abc import Sequence

from . import cli
from .arguments import add_debug, add_launcher, add_overrides, add_skip_check

_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser: the arguments of MMSegmentation's own tool, and ours."""
    parser = argparse.ArgumentParser(description='Train a student, its teacher, or its control.', allow_abbrev=False)
    parser.add_argument('config', help='a config, such as configs/distill/improved.py')
    parser.add_argument('--work-dir', help='where the run goes; default: experiments/<experiment>_<time>')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='resume the newest run of this experiment, or the one that --work-dir names',
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision in bfloat16 (optim_wrapper.dtype=float16: a GPU alone)'
    )
    parser.add_argument('--channels-last', action='store_true', help='convolutions in NHWC')
    parser.add_argument('--compile', action='store_true', help='torch.compile for the forwards of student and teacher')
    add_overrides(parser)
    add_launcher(parser)
    parser.add_argument('--data-root', metavar='PATH', help="folder with dataset.yaml, or of the config's own data set")
    add_skip_check(parser)
    parser.add_argument(
        '--epochs',
        type=int,
        metavar='N',
        help='another length; phases and schedules are scaled, a teacher keeps that of its recipe',
    )
    parser.add_argument('--seed', type=int, help='seed of weights, order, augmentation and dropout')
    parser.add_argument(
        '--strict', action='store_true', help='stop at the first finding of the diagnosis (exit status 1)'
    )
    parser.add_argument('--retrain-teacher', action='store_true', help='train the teacher anew even where it exists')
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Trains a config."""
    arguments = cli.parse(parser(), argv)
    from ..compat import keep_freed_memory
    from ..engine import processes
    from ..settings.load import load_config
    from ..training.options import TrainOptions
    from ..training.session import train

    keep_freed_memory()
    if arguments.launcher != 'none':
        processes.join(arguments.launcher, load_config(arguments.config).get('env_cfg', {}))
    train(arguments.config, TrainOptions.of(arguments))
    processes.leave()


def child(argv: Sequence[str]) -> int:
    """Runs this command in a process that another one started; returns its exit status."""
    if sys.platform == 'linux':  # if the parent is killed, this process is interrupted
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    return cli.run(main, argv)
