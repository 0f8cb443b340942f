"""Plan of configs times seeds, and its execution."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..engine.runs.checkpoint_files import resumable
from ..engine.runs.directory import new_run_dir
from ..engine.runs.known import by_key
from ..errors import InputError
from ..evaluation.read_runs import compare_runs
from ..evaluation.record import read_record
from ..folder_lock import RunLock, held
from . import jobs
from .arms import Arm
from .session import ensure_teacher

# A live run writes logs, points and entries. If its lock tells nothing (an older run, a file system without locks), a
# run with status `running` counts as interrupted when nothing in its directory has changed for this long, or for twice
# its longest epoch if that is longer: its process was killed.
SILENCE = 15 * 60.0  # seconds

CLAIMS = '.claims'  # in the experiments folder: one lock per run

FINISHED, TO_RESUME, BUSY, TO_RUN = 'finished', 'to resume', 'running elsewhere', 'to run'


@dataclass
class Run:
    """One arm with one seed.

    Attributes:
        arm: The config.
        seed: The seed.
        state: Its state in the plan.
        folder: Its run directory; None before it starts.
        label: Prefix of its output lines.
        resume_running: Whether a run with status ``running`` counts as interrupted.
    """

    arm: Arm
    seed: int
    state: str
    folder: Path | None
    label: str = ''
    resume_running: bool = False
    started: float = 0.0

    def claim(self) -> bool:
        """Claims the run, so that no other command of this kind starts it too; returns whether that succeeded."""
        self.lock = RunLock(Path(self.arm.root) / CLAIMS / f'{self.arm.key}_{self.seed}', '--seeds')
        try:
            self.lock.acquire()
        except InputError:
            return False
        # Another command may have finished or started it since the plan was made.
        self.state, self.folder = what_is_there(
            by_key(self.arm.root).get((self.arm.key, self.seed), []), self.resume_running
        )
        return self.state in (TO_RESUME, TO_RUN)

    def start(self, environment: Mapping[str, str]) -> subprocess.Popen | None:
        """Starts or resumes its training; returns None if another command has it."""
        if not self.claim():
            print(f'{self.label}: left alone, another command has it', flush=True)
            self.lock.release()
            return None
        self.started = time.monotonic()
        resume = ['--resume'] if self.state == TO_RESUME else []
        self.folder = self.folder or new_run_dir(self.arm.root, self.arm.experiment)
        print(f'{self.label}: {"continues" if resume else "starts"} in {self.folder}', flush=True)
        own = ['--seed', str(self.seed), '--work-dir', str(self.folder), *resume]
        argv = [self.arm.path, *own, *self.arm.options.argv()]
        return jobs.start(argv, self.folder / jobs.CONSOLE, environment)

    def ended(self, status: int) -> None:
        """Reports the result."""
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


def plan(arms: Sequence[Arm], seeds: Sequence[int], resume_running: bool = False) -> list[Run]:
    """Returns the planned runs, seed by seed, so that the arms can be compared as soon as a seed is done."""
    known = {root: by_key(root) for root in {arm.root for arm in arms}}
    return [
        Run(arm, seed, *what_is_there(known[arm.root].get((arm.key, seed), []), resume_running))
        for seed in seeds
        for arm in arms
    ]


def what_is_there(folders: Sequence[Path], resume_running: bool = False) -> tuple[str, Path | None]:
    """Returns what is left to do for one key and seed, and in which of their run directories.

    A finished run counts. Otherwise a live run is left to its owner, and a run that stopped before its end is resumed
    if it has a checkpoint.

    Args:
        folders: The run directories, oldest first.
        resume_running: Whether a run with status ``running`` counts as interrupted.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        record = read_record(folder / 'result.json') or {}
        if record.get('status') == 'finished':
            found[FINISHED] = folder
        elif record.get('status') == 'running' and not resume_running and alive(folder, record):
            found[BUSY] = folder
        elif resumable(folder):
            found[TO_RESUME] = folder
    return next(((state, found[state]) for state in (FINISHED, BUSY, TO_RESUME) if state in found), (TO_RUN, None))


def alive(folder: Path, record: Mapping) -> bool:
    """Returns whether the process of a run with status ``running`` exists: by its lock, or else by what it writes."""
    locked = held(folder)
    return not silent(folder, record) if locked is None else locked


def silent(folder: Path, record: Mapping) -> bool:
    """Returns whether a run with status ``running`` has written nothing for so long that its process must be gone."""
    longest = max((entry['seconds'] for entry in record.get('epochs', [])), default=0.0)
    changed = 0.0
    for path in folder.rglob('*'):
        with suppress(OSError):  # a live run replaces its checkpoints
            changed = max(changed, path.stat().st_mtime)
    return time.time() - changed > max(SILENCE, 2 * longest)


def needs_teacher(run: Run) -> bool:
    """Returns whether a run waits for a teacher that does not exist yet."""
    return run.state in (TO_RESUME, TO_RUN) and run.arm.teacher is not None and not run.arm.teacher.is_file()


def train_teachers(due: Sequence[Run]) -> None:
    """Trains each missing teacher once, before the runs that need it."""
    for run in due:
        if needs_teacher(run):
            try:
                ensure_teacher(run.arm.config, run.arm.options.data_root, by=jobs.train_apart)
            except RuntimeError as error:
                print(f'the teacher of {run.arm.path} failed: {error}', file=sys.stderr)
                raise SystemExit(1) from error


def execute(runs: Sequence[Run], jobs_at_a_time: int, looks: tuple[int, int] | None = None) -> list[Run]:
    """Does what a plan leaves to do.

    Args:
        runs: The plan.
        jobs_at_a_time: Number of trainings that run in parallel.
        looks: First and last number of seeds to look at. The plan is then done seed by seed, and ends as soon as every
            difference to a control is clear of chance (:func:`~mapsage_mmseg.evaluation.comparison.compare`).

    Returns:
        The runs that belong to the result: all, or those of the seeds up to that point.
    """
    due = [run for run in runs if run.state in (TO_RESUME, TO_RUN)]
    for number, run in enumerate(due, 1):
        run.label = f'[{number}/{len(due)}] {run.arm.experiment}, seed {run.seed}'
    seeds = list(dict.fromkeys(run.seed for run in runs))
    for number, step in enumerate([{seed} for seed in seeds] if looks else [set(seeds)], 1):
        now = [run for run in due if run.seed in step]
        train_teachers(now)
        jobs.run_all(now, jobs.environments(jobs_at_a_time))
        so_far = [run for run in runs if run.seed in seeds[:number]]
        if looks and looks[0] <= number < len(seeds) and _clear(so_far, looks):
            print(f'Every difference is clear after {number} seeds; the rest is left out.', flush=True)
            return so_far
    return list(runs)


def _clear(runs: Sequence[Run], looks: tuple[int, int]) -> bool:
    """Returns whether all runs have finished and every difference to a control is clear of chance."""
    if not all(run.finished for run in runs):
        return False
    arms = compare_runs([str(run.folder) for run in runs], looks=looks).comparison.arms
    found = [difference for arm in arms if (difference := arm.differences['mIoU']) is not None]
    return bool(found) and all(difference.verdict != 'not shown' for difference in found)
