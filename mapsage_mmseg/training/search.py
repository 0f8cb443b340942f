"""Search of a study: its teacher, its trials and its results.

Each trial is a separate process. A search lasts days: a process frees all its memory when it ends, and one that crashes
or is killed by the system costs its trial, not the search.
"""

import copy
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.table import Table
from rich.text import Text

from ..evaluation.criteria import validated
from ..evaluation.record import read_record
from ..settings.knobs import changes
from ..visualization import terminal
from . import jobs
from .arms import Arm
from .session import ensure_teacher
from .study import FAILURE, RANDOM_TRIALS, ask, counted, import_optuna, importances, was_cut_off
from .tuned_config import write_tuned


def search(study: Any, arm: Arm, knobs: Mapping[str, Mapping], folder: Path, trials: int, seed: int) -> None:
    """Trains the teacher if it is missing, then one trial after another."""
    missing = trials - len(counted(study))
    print(f'Study {folder}: {len(counted(study))} trials so far, {max(missing, 0)} to go', flush=True)
    if missing > 0 and arm.teacher:
        try:
            ensure_teacher(arm.config, arm.options.data_root, by=jobs.train_apart)
        except RuntimeError as error:
            print(f'the teacher of {arm.path} failed: {error}', file=sys.stderr)
            raise SystemExit(1) from error
    for run in folder.glob('trial_*'):  # of an interrupted trial
        remove_checkpoints(run)
    while len(counted(study)) < trials:
        trial, values = ask(study, knobs, seed)
        told = ', '.join(f'{name} {value:.3g}' for name, value in values.items())
        print(f'[{len(counted(study)) + 1}/{trials}] trial {trial.number}: {told}', flush=True)
        begun = time.monotonic()
        outcome = attempt(study, trial, arm.config, values, folder / f'trial_{trial.number:03d}')
        print(f'    {outcome}, {(time.monotonic() - begun) / 60:.1f} min', flush=True)


def attempt(study: Any, trial: Any, base: Config, values: Mapping[str, Any], run: Path) -> str:
    """Runs one trial, reports its result to the study, and returns the result in words."""
    state = import_optuna().trial.TrialState
    config = copy.deepcopy(base)
    config.merge_from_dict(changes(config, values))
    run.mkdir(parents=True, exist_ok=True)
    config.dump(str(run / 'config.py'))
    trial.set_user_attr('run', str(run))
    process = jobs.start([str(run / 'config.py'), '--work-dir', str(run)], run / jobs.CONSOLE)
    try:
        pruned = follow(process, trial, run, config.train_cfg.max_epochs)
    except BaseException:
        jobs.stop([process])
        raise
    finally:
        remove_checkpoints(run)
    scores = scores_of(run)
    if pruned:
        study.tell(trial, state=state.PRUNED)
        return f'pruned: mIoU {scores[-1][1]:.2f} after epoch {scores[-1][0]} is below the median'
    if process.returncode or not scores:
        trial.set_user_attr(FAILURE, jobs.last_words(run / jobs.CONSOLE))
        study.tell(trial, state=state.FAIL)
        return f'failed: {jobs.last_words(run / jobs.CONSOLE)}'
    study.tell(trial, scores[-1][1])
    return f'mIoU {scores[-1][1]:.2f} on the tuning split'


def follow(process: subprocess.Popen, trial: Any, run: Path, epochs: int) -> bool:
    """Reports every validation of a run from its record; if the trial is to be pruned, stops the run and returns
    True."""
    reported = 0
    while True:
        ended = process.poll() is not None  # checked first, so that its last validations are read below
        for epoch, score in scores_of(run)[reported:]:
            trial.report(score, epoch)
            reported += 1
            if not ended and epoch < epochs and trial.should_prune():
                jobs.stop([process])
                return True
        if ended:
            return False
        time.sleep(jobs.POLL)


def scores_of(run: Path) -> list[tuple[int, float]]:
    """Returns (epoch, mIoU in percent) of every validation so far."""
    record = read_record(run / 'result.json')
    return validated(record, 'mIoU') if record else []


def remove_checkpoints(run: Path) -> None:
    """Removes a trial's checkpoints, and keeps its record, logs and config."""
    shutil.rmtree(run / 'checkpoints', ignore_errors=True)
    (run / 'last_checkpoint').unlink(missing_ok=True)


def conclude(study: Any, folder: Path, arm: Arm, seed: int) -> None:
    """Prints the trials and the importance of each knob, and writes the best trial as a config."""
    complete = [trial for trial in study.trials if trial.state.name == 'COMPLETE']
    terminal.console().print(table(study))
    if not complete:
        print(f'no trial was completed; see {jobs.CONSOLE} in the directories under {folder}', file=sys.stderr)
        raise SystemExit(1)
    told = ', '.join(f'{name} {share:.0%}' for name, share in importances(study).items())
    few = ', which are few' if len(complete) < RANDOM_TRIALS else ''
    print(f'Importance of the knobs, from {len(complete)} trials{few}: {told or "cannot be told"}')
    data = f' --data-root {arm.options.data_root}' if arm.options.data_root else ''
    best = max(complete, key=lambda trial: trial.value)
    epochs = study.user_attrs['setup']['epochs']
    story = (
        f'The best of {len(counted(study))} trials (number {best.number}): mIoU {best.value:.2f} on the tuning split '
        f'after {epochs} epochs,\nseed {seed}. What it is worth on validation tiles is to be measured:\n\n'
        f'    python tools/repeat.py {folder / "best.py"}{data}\n'
    )
    print(f'Best: trial {best.number}, mIoU {best.value:.2f} on the tuning split, as a config in', end=' ')
    print(write_tuned(folder, arm.path, best.params, story))


def table(study: Any) -> Table:
    """Returns a table with one row per trial, the best first."""
    result = Table(title=Text(f'Study {study.study_name}'))
    knobs = list(study.user_attrs['setup']['knobs'])
    for column in ('trial', 'state', 'epochs', 'mIoU', *knobs):
        result.add_column(column.replace('_', ' '), justify='right', overflow='fold')
    finished = [trial for trial in study.trials if trial.state.is_finished()]
    for trial in sorted(finished, key=lambda trial: (trial.value is None, -(trial.value or 0.0))):
        state = 'cut off' if was_cut_off(trial) else trial.state.name.lower()
        score = '' if trial.value is None else f'{trial.value:.2f}'
        values = (f'{trial.params[knob]:.3g}' if knob in trial.params else '' for knob in knobs)
        result.add_row(str(trial.number), state, str(len(trial.intermediate_values)), score, *values)
    return result
