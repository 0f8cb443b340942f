"""The repeating tool: several configs with several seeds, so that what differs is told from what is chance."""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..engine.checkpoint_files import resumable
from ..engine.known_runs import by_key
from ..engine.run_lock import RunLock, held
from ..errors import InputError
from ..evaluation.record import read_record
from . import jobs, train
from .arms import Arm, arms_of
from .runs import new_run_dir

# A run that is alive writes logs, points and entries. Where its lock tells nothing (an older run, a file system without
# locks), one that says it is running counts as interrupted when nothing in its directory has changed for this long, or
# for twice its longest epoch: its process was killed.
SILENCE = 15 * 60.0  # seconds

CLAIMS = '.claims'  # in the experiments folder: a lock a run

FINISHED, GO_ON, BUSY, TO_RUN = 'finished', 'to go on with', 'running elsewhere', 'to run'


def parser() -> argparse.ArgumentParser:
    """Arguments: configs, seeds, and those of the training tool that all runs share."""
    parser = argparse.ArgumentParser(
        description='Run configs with several seeds, each with its control, and compare them. The same command goes on '
        'where it was stopped.',
        allow_abbrev=False,
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='such as configs/distill/improved.py')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED', help='default: 0 1 2')
    parser.add_argument(
        '--jobs', type=int, default=1, metavar='N', help='runs at a time, over all CUDA devices (default 1)'
    )
    parser.add_argument('--epochs', type=int, metavar='N', help='another length of every run')
    parser.add_argument('--data-root', metavar='PATH', help="folder with dataset.yaml, or of the config's own data set")
    parser.add_argument('--skip-data-check', action='store_true', help='do not read every file of --data-root first')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='override settings of every config'
    )
    parser.add_argument('--no-control', action='store_true', help='do not add the student that is trained alone')
    parser.add_argument(
        '--resume-running',
        action='store_true',
        help='go on with runs that say they are running, too: you know that their processes are gone',
    )
    parser.add_argument('--dry-run', action='store_true', help='show the plan and stop')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


@dataclass
class Run:
    """One arm with one seed.

    Attributes:
        arm: The config.
        seed: The seed.
        state: What the plan says of it.
        folder: Its run directory; None before it begins.
        label: How its lines begin.
        resume_running: Whether a run that says it is running counts as interrupted.
    """

    arm: Arm
    seed: int
    state: str
    folder: Path | None
    label: str = ''
    resume_running: bool = False
    started: float = 0.0

    def claim(self) -> bool:
        """Takes the run, so that no other command like this one starts it too; whether it could be had."""
        self.lock = RunLock(Path(self.arm.root) / CLAIMS / f'{self.arm.key}_{self.seed}', '--seeds')
        try:
            self.lock.acquire()
        except InputError:
            return False
        # What another command finished or began between the plan and now.
        self.state, self.folder = what_is_there(
            by_key(self.arm.root).get((self.arm.key, self.seed), []), self.resume_running
        )
        return self.state in (GO_ON, TO_RUN)

    def start(self, environment: Mapping[str, str]) -> subprocess.Popen | None:
        """Starts its training, or continues it; None where another command has it."""
        if not self.claim():
            print(f'{self.label}: left alone, another command has it', flush=True)
            self.lock.release()
            return None
        self.started = time.monotonic()
        resume = ['--resume'] if self.state == GO_ON else []
        self.folder = self.folder or new_run_dir(self.arm.root, self.arm.experiment)
        path, *options = self.arm.argv
        print(f'{self.label}: {"goes on" if resume else "starts"} in {self.folder}', flush=True)
        argv = [path, '--seed', str(self.seed), '--work-dir', str(self.folder), *resume, *options]
        return jobs.start(argv, self.folder / jobs.CONSOLE, environment)

    def ended(self, status: int) -> None:
        """Says what came out."""
        self.lock.release()
        minutes = (time.monotonic() - self.started) / 60
        if status or not self.finished:
            print(f'{self.label}: failed after {minutes:.1f} min: {self.last_words()}', flush=True)
        else:
            val = self.record['epochs'][-1].get('val') or {}
            score = f'mIoU {val["mIoU"]:.2f}' if val.get('mIoU') is not None else 'no validation'
            print(f'{self.label}: finished, {score}, {minutes:.1f} min', flush=True)

    @property
    def record(self) -> dict:
        return (read_record(self.folder / 'result.json') if self.folder else None) or {}

    @property
    def finished(self) -> bool:
        return self.record.get('status') == 'finished'

    def last_words(self) -> str:
        return jobs.last_words(self.folder / jobs.CONSOLE) if self.folder else 'it was not started'


def main(argv: Sequence[str]) -> None:
    """Runs what is missing of configs times seeds, and compares."""
    arguments = parser().parse_args(argv)
    check(arguments)
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
    due = [run for run in runs if run.state in (GO_ON, TO_RUN)]
    for number, run in enumerate(due, 1):
        run.label = f'[{number}/{len(due)}] {run.arm.experiment}, seed {run.seed}'
        run.resume_running = arguments.resume_running
    try:
        with jobs.interruptible():
            train_teachers(due)
            jobs.run_all(due, jobs.environments(arguments.jobs))
    except KeyboardInterrupt:
        print('Stopped; the same command goes on from here.', flush=True)
        raise
    conclude(runs)


def check(arguments: argparse.Namespace) -> None:
    """Refuses what no plan can be made of.

    Raises:
        InputError: Negative or repeated seeds, or no job at a time.
    """
    seeds = arguments.seeds
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise InputError(f'--seeds {" ".join(map(str, seeds))}: must be whole numbers from 0, each once')
    if arguments.jobs < 1:
        raise InputError(f'--jobs {arguments.jobs}: must be a whole number from 1')


def plan(arms: Sequence[Arm], seeds: Sequence[int], resume_running: bool = False) -> list[Run]:
    """What there is to do, seed by seed, so that the arms compare as soon as a seed is done."""
    known = {root: by_key(root) for root in {arm.root for arm in arms}}
    return [
        Run(arm, seed, *what_is_there(known[arm.root].get((arm.key, seed), []), resume_running))
        for seed in seeds
        for arm in arms
    ]


def what_is_there(folders: Sequence[Path], resume_running: bool = False) -> tuple[str, Path | None]:
    """What the run directories of one key and seed, oldest first, leave to do, and in which of them.

    A finished run counts; else one that is alive is waited for by its owner, and one that stopped before its end is
    gone on with where it left a checkpoint.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        record = read_record(folder / 'result.json') or {}
        if record.get('status') == 'finished':
            found[FINISHED] = folder
        elif record.get('status') == 'running' and not resume_running and alive(folder, record):
            found[BUSY] = folder
        elif resumable(folder):
            found[GO_ON] = folder
    return next(((state, found[state]) for state in (FINISHED, BUSY, GO_ON) if state in found), (TO_RUN, None))


def alive(folder: Path, record: Mapping) -> bool:
    """Whether the process of a run that says it is running is there: by its lock, else by what it writes."""
    locked = held(folder)
    return not silent(folder, record) if locked is None else locked


def silent(folder: Path, record: Mapping) -> bool:
    """Whether a run that says it is running has written nothing for so long that its process must be gone."""
    longest = max((entry['seconds'] for entry in record.get('epochs', [])), default=0.0)
    changed = 0.0
    for path in folder.rglob('*'):
        with suppress(OSError):  # a run that is alive replaces its checkpoints
            changed = max(changed, path.stat().st_mtime)
    return time.time() - changed > max(SILENCE, 2 * longest)


def show(runs: Sequence[Run]) -> None:
    """Prints the plan."""
    width = max(len(run.arm.experiment) for run in runs)
    print(f'{len(runs)} runs, {sum(run.state == FINISHED for run in runs)} of them finished already:')
    for run in runs:
        where = f'  {run.folder}' if run.folder else ''
        print(f'  {run.arm.experiment:<{width}}  seed {run.seed:<4} {run.state}{where}')
    if any(run.state == BUSY for run in runs):
        print('What is running elsewhere is left alone; if its process is gone, --resume-running goes on with it.')
    missing = sorted({str(run.arm.teacher) for run in runs if needs_teacher(run)})
    for path in missing:
        print(f'Trained first: the teacher {path}')
    sys.stdout.flush()


def needs_teacher(run: Run) -> bool:
    """Whether a run waits for a teacher that is not there yet."""
    return run.state in (GO_ON, TO_RUN) and run.arm.teacher is not None and not run.arm.teacher.is_file()


def train_teachers(due: Sequence[Run]) -> None:
    """Trains each teacher that is missing once, before the runs that need it."""
    for run in due:
        if needs_teacher(run):
            try:
                train.ensure_teacher(run.arm.config, run.arm.arguments, by=jobs.train_apart)
            except RuntimeError as error:
                print(f'the teacher of {run.arm.path} failed: {error}', file=sys.stderr)
                raise SystemExit(1) from error


def conclude(runs: Sequence[Run]) -> None:
    """Compares what is finished; names what is not, which is exit status 1."""
    finished = [run for run in runs if run.finished]
    if finished:
        page = Path(runs[0].arm.root) / f'repeat_{time.strftime("%Y%m%d_%H%M%S")}.html'
        write_comparison([str(run.folder) for run in finished], page)
    missing = [run for run in runs if not run.finished]
    for run in missing:
        print(f'not finished: {run.arm.experiment}, seed {run.seed}: {run.last_words()}', file=sys.stderr)
    if missing:
        raise SystemExit(1)


def write_comparison(folders: Sequence[str], page: Path) -> None:
    """Compares run directories in a page of their own."""
    from . import compare

    compare.main([*folders, '-o', str(page)])
