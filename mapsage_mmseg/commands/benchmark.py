"""The benchmark command: measures the cost of a distillation step."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from . import cli
from .arguments import add_debug, add_overrides

SWITCHES = (  # as in engine/benchmark_steps.py
    'amp',
    'channels_last',
    'amp_channels_last',
    'compile',
    'accumulate2',
    'workers0',
    'workers1',
    'workers2',
)


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser."""
    parser = argparse.ArgumentParser(
        description='Time the steps of a distillation, stock MMSegmentation and mmrazor in turns, on one random batch.',
        allow_abbrev=False,
    )
    parser.add_argument('config', help='the config of a distillation, such as configs/distill/improved.py')
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='default: cuda where there is one')
    parser.add_argument('--size', type=int, default=128, metavar='PIXELS', help='of the crops (default 128)')
    parser.add_argument('--batch-size', type=int, default=4, metavar='N')
    parser.add_argument('--rounds', type=int, default=15, metavar='N', help='timed steps of each (default 15)')
    parser.add_argument('--warm-up', type=int, default=3, metavar='N', help='steps of each before them (default 3)')
    parser.add_argument(
        '--cpu-time',
        action='store_true',
        help="count this process's time on the CPU, not the clock's: for one thread beside busy neighbours",
    )
    parser.add_argument(
        '--switches',
        nargs='+',
        choices=SWITCHES,
        metavar='NAME',
        help=f'time the last phase under these instead: {", ".join(SWITCHES)} (compile takes minutes)',
    )
    parser.add_argument(
        '--kl',
        type=int,
        metavar='CLASSES',
        help='time the KL alone instead, on logits of that many classes at full size',
    )
    parser.add_argument('--json', metavar='FILE', help='write the figures there')
    add_overrides(parser)
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Times the benchmark steps and prints two tables."""
    arguments = cli.parse(parser(), argv)
    for name in ('size', 'batch_size', 'rounds', 'warm_up', 'kl'):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise InputError(f'--{name.replace("_", "-")} {getattr(arguments, name)} must be a whole number from 1')
    import torch
    from mmengine.logging import MMLogger

    from ..compat import keep_freed_memory
    from ..settings.load import is_distillation, load_config, override
    from ..training.step_timing import BenchmarkOptions, measure, show
    from ..visualization import terminal

    device = arguments.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if arguments.device == 'cuda' and not torch.cuda.is_available():
        raise InputError('--device cuda: torch sees no CUDA device here')
    if arguments.cpu_time and (device != 'cpu' or torch.get_num_threads() > 1):
        raise InputError('--cpu-time adds the time of all threads up: it needs --device cpu and OMP_NUM_THREADS=1')
    keep_freed_memory()
    MMLogger.get_current_instance().setLevel('ERROR')  # hides the optimizer's settings of each parameter
    config = load_config(arguments.config)
    override(config, arguments.cfg_options)
    if not is_distillation(config):
        raise InputError(f'{arguments.config} has no teacher; the benchmark times distillations')
    options = BenchmarkOptions(
        device=device,
        batch_size=arguments.batch_size,
        size=arguments.size,
        rounds=arguments.rounds,
        warm_up=arguments.warm_up,
        cpu_time=arguments.cpu_time,
        switches=arguments.switches,
        kl=arguments.kl,
    )
    figures = measure(config, options)
    show(figures, terminal.console())
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))
