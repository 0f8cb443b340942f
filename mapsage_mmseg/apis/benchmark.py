"""The benchmark: what a distillation step costs, over the least that it could cost and over what else there is."""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from ..compat import keep_freed_memory
from ..engine.contenders import SWITCHES, Step, make_contenders, make_kl, make_switched
from ..engine.examination import planned_iterations
from ..engine.hooks.run_facts import device_name, git_commit
from ..errors import InputError
from ..evaluation.timing import over, ratios, summarise_seconds
from . import terminal
from .config import load_config, override
from .train import is_distillation

TARGETS = dict(
    phase1_over_student=1.02,
    phase2_over_floor=1.05,
    phase2_half_over_floor=1.00,
    phase2_over_mmrazor=0.75,
    run_over_mmrazor=0.65,
    cached_over_student=1.15,
)


def parser() -> argparse.ArgumentParser:
    """Arguments."""
    parser = argparse.ArgumentParser(
        description='Time the steps of a distillation, stock MMSegmentation and mmrazor in turns, on one random batch.',
        allow_abbrev=False,
    )
    parser.add_argument('config', help='the config of a distillation, such as configs/distill/improved.py')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cuda' if torch.cuda.is_available() else 'cpu')
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
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Times what the arguments say and prints two tables."""
    arguments = parser().parse_args(argv)
    for name in ('size', 'batch_size', 'rounds', 'warm_up', 'kl'):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise InputError(f'--{name.replace("_", "-")} {getattr(arguments, name)} must be a whole number from 1')
    if arguments.device == 'cuda' and not torch.cuda.is_available():
        raise InputError('--device cuda: torch sees no CUDA device here')
    if arguments.cpu_time and (arguments.device != 'cpu' or torch.get_num_threads() > 1):
        raise InputError('--cpu-time adds the time of all threads up: it needs --device cpu and OMP_NUM_THREADS=1')
    keep_freed_memory()
    MMLogger.get_current_instance().setLevel('ERROR')  # an optimizer's settings, parameter by parameter
    config = load_config(arguments.config)
    override(config, arguments.cfg_options)
    if not is_distillation(config):
        raise InputError(f'{arguments.config} has no teacher; the benchmark times distillations')
    figures = measure(config, arguments)
    show(figures, terminal.console())
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))


def measure(config: Config, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures: facts, ``seconds`` and ``peak_mib`` by contender, ``ratios``."""
    if arguments.kl:
        contenders = make_kl(arguments.batch_size, arguments.size, arguments.kl, arguments.device)
    elif arguments.switches:
        contenders = make_switched(config, arguments.batch_size, arguments.size, arguments.device, arguments.switches)
    else:
        contenders = make_contenders(config, arguments.batch_size, arguments.size, arguments.device)
    for step in contenders.values():
        for _ in range(arguments.warm_up):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in track(range(arguments.rounds), description='timing in turns', transient=True):
        for name, step in contenders.items():
            seconds[name].append(timed(step, arguments.device, arguments.cpu_time))
    return dict(
        config=arguments.config,
        commit=git_commit(),
        device=device_name(arguments.device),
        torch=torch.__version__,
        batch_size=arguments.batch_size,
        size=arguments.size,
        rounds=arguments.rounds,
        cpu_time=arguments.cpu_time,
        seconds=summarise_seconds(seconds),
        peak_mib={name: peak_mib(step, arguments.device) for name, step in contenders.items()},
        ratios=ratios_of(seconds, config, arguments),
    )


def ratios_of(seconds: Mapping[str, list[float]], config: Config, arguments: argparse.Namespace) -> dict[str, Any]:
    """What is set against what."""
    if arguments.kl:
        return over(seconds, 'plain')
    return over(seconds, 'phase2') if arguments.switches else ratios(seconds, lengths(config))


def lengths(config: Config) -> list[int]:
    """Iterations of a whole run in which the teacher does not run, and in which it does."""
    phases = list(zip(planned_iterations(config), config.default_hooks.phases.phases, strict=True))
    return [sum(count for count, phase in phases if distils(phase) is wanted) for wanted in (False, True)]


def distils(phase: Mapping[str, Any]) -> bool:
    """Whether a phase needs the teacher."""
    return any(weight for term, weight in phase['weights'].items() if term != 'task')


def timed(step: Step, device: str, cpu_time: bool = False) -> float:
    """Seconds of one step, the device's work included."""
    clock = time.process_time if cpu_time else time.perf_counter
    if device == 'cuda':
        torch.cuda.synchronize()
    began = clock()
    step()
    if device == 'cuda':
        torch.cuda.synchronize()
    return clock() - began


def peak_mib(step: Step, device: str) -> float:
    """Most memory that a step holds beyond what was there before it, in MiB."""
    if device == 'cuda':
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        step()
    held = peak = 0
    for event in run.profiler.kineto_results.events():
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak / 2**20


def show(figures: Mapping[str, Any], console: Console) -> None:
    """Prints steps and ratios."""
    where = f'{figures["device"]}, batch {figures["batch_size"]}, {figures["size"]} x {figures["size"]}'
    where += ', time on the CPU' * figures['cpu_time']
    steps = Table(title=f'Steps: {where}')
    for name in ('step', 'median s', 'quartiles', 'peak MiB'):
        steps.add_column(name, justify='left' if name == 'step' else 'right')
    for name, found in figures['seconds'].items():
        quartiles = f'{found["low"]:.4f} to {found["high"]:.4f}'
        steps.add_row(name, f'{found["median"]:.4f}', quartiles, f'{figures["peak_mib"][name]:.0f}')
    table = Table(title='Ratios, round by round')
    for name in ('ratio', 'median', 'quartiles', 'target'):
        table.add_column(name, justify='left' if name == 'ratio' else 'right')
    for name, found in figures['ratios'].items():
        target = f'<= {TARGETS[name]:.2f}' if name in TARGETS else ''
        if found is None:
            table.add_row(name, '-', '-', target)
        else:
            table.add_row(name, f'{found["median"]:.3f}', f'{found["low"]:.3f} to {found["high"]:.3f}', target)
    console.print(steps)
    console.print(table)
