"""Timing of a distillation step against its lower bound and against other implementations."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from ..engine.benchmark_steps import Step, make_kl, make_steps, make_switched
from ..engine.dry_run import planned_iterations
from ..engine.runs.facts import device_name, git_commit
from ..evaluation.timing import over, ratios, summarise_seconds

TARGETS = dict(
    phase1_over_student=1.02,
    phase2_over_floor=1.05,
    phase2_half_over_floor=1.00,
    phase2_over_mmrazor=0.75,
    run_over_mmrazor=0.65,
    cached_over_student=1.15,
)


@dataclass(frozen=True)
class BenchmarkOptions:
    """What to time, and how.

    Attributes:
        device: ``'cpu'`` or ``'cuda'``.
        batch_size, size: Images in the random batch, and their side in pixels.
        rounds: How many times each benchmark step is timed.
        warm_up: How many times each step runs before that.
        cpu_time: Measure the process's time on the CPU instead of wall time.
        switches: Time the last phase under these switches instead.
        kl: Time the KL alone instead, on logits of that many classes.
    """

    device: str = 'cpu'
    batch_size: int = 4
    size: int = 128
    rounds: int = 15
    warm_up: int = 3
    cpu_time: bool = False
    switches: Sequence[str] | None = None
    kl: int | None = None


def measure(config: Config, options: BenchmarkOptions) -> dict[str, Any]:
    """Times the benchmark steps, and returns facts, ``seconds`` and ``peak_mib`` by step, and ``ratios``.

    Args:
        config: The config of a distillation.
        options: What to time, and how.
    """
    if options.kl:
        timed_steps = make_kl(options.batch_size, options.size, options.kl, options.device)
    elif options.switches:
        timed_steps = make_switched(config, options.batch_size, options.size, options.device, options.switches)
    else:
        timed_steps = make_steps(config, options.batch_size, options.size, options.device)
    for step in timed_steps.values():
        for _ in range(options.warm_up):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in timed_steps}
    for _ in track(range(options.rounds), description='timing in turns', transient=True):
        for name, step in timed_steps.items():
            seconds[name].append(timed(step, options.device, options.cpu_time))
    return dict(
        config=str(config.filename),
        commit=git_commit(),
        device=device_name(options.device),
        torch=torch.__version__,
        batch_size=options.batch_size,
        size=options.size,
        rounds=options.rounds,
        cpu_time=options.cpu_time,
        seconds=summarise_seconds(seconds),
        peak_mib={name: peak_mib(step, options.device) for name, step in timed_steps.items()},
        ratios=ratios_of(seconds, config, options),
    )


def ratios_of(seconds: Mapping[str, list[float]], config: Config, options: BenchmarkOptions) -> dict[str, Any]:
    """Returns the ratios between the steps."""
    if options.kl:
        return over(seconds, 'plain')
    return over(seconds, 'phase2') if options.switches else ratios(seconds, lengths(config))


def lengths(config: Config) -> list[int]:
    """Returns the iterations of a whole run in which the teacher does not run, and those in which it does."""
    phases = list(zip(planned_iterations(config), config.default_hooks.phases.phases, strict=True))
    return [sum(count for count, phase in phases if distils(phase) is wanted) for wanted in (False, True)]


def distils(phase: Mapping[str, Any]) -> bool:
    """Returns whether a phase needs the teacher."""
    return any(weight for term, weight in phase['weights'].items() if term != 'task')


def timed(step: Step, device: str, cpu_time: bool = False) -> float:
    """Returns the seconds of one step, including the device's work."""
    clock = time.process_time if cpu_time else time.perf_counter
    if device == 'cuda':
        torch.cuda.synchronize()
    began = clock()
    step()
    if device == 'cuda':
        torch.cuda.synchronize()
    return clock() - began


def peak_mib(step: Step, device: str) -> float:
    """Returns the peak memory that a step needs beyond what was allocated before, in MiB."""
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
