"""The tuning tool: searches a config's knobs on scenes that neither it nor its teacher trains on.

Each trial is a process of its own. A search lasts days: a process gives back all its memory when it ends, and one that
crashes, or that the system kills, costs its trial and not the search.
"""

import argparse
import copy
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.table import Table
from rich.text import Text

from ..engine.teachers import data_key
from ..errors import InputError
from ..evaluation.criteria import validated
from ..evaluation.record import read_record
from . import jobs, terminal, train
from .arms import Arm
from .knobs import changes, knobs_of
from .run_length import set_epochs
from .study import FAILURE, RANDOM_TRIALS, ask, counted, import_optuna, importances, open_study, owned, was_cut_off
from .tuned_config import write_tuned
from .tuning_split import use_tuning_split


def parser() -> argparse.ArgumentParser:
    """Arguments: a config, how many trials of what length, and the data."""
    parser = argparse.ArgumentParser(
        description='Search the knobs of a config on a part of its training scenes. The same command goes on where it '
        'was stopped.',
        allow_abbrev=False,
    )
    parser.add_argument('config', help='such as configs/distill/improved.py')
    parser.add_argument('--trials', type=int, required=True, metavar='N', help='trials in all, earlier ones included')
    parser.add_argument('--study', metavar='NAME', help="default: the config's experiment")
    parser.add_argument('--epochs', type=int, metavar='N', help="of each trial; default: the config's")
    parser.add_argument('--seed', type=int, default=0, help='of the search, and of every trial (default 0)')
    parser.add_argument('--knobs', nargs='+', metavar='KNOB', help='these alone; default: all that the config has')
    parser.add_argument('--data-root', metavar='PATH', help='tune on this folder, as for tools/train.py')
    parser.add_argument('--skip-data-check', action='store_true', help='do not read every file of --data-root first')
    parser.add_argument(
        '--scene',
        metavar='REGEX',
        help="finds a tile's scene in its name, in the first group, as '^(t[0-9]+)_'; default: `scene` in "
        "dataset.yaml, or the names that MMSegmentation's converters give",
    )
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Searches until there are as many trials as asked for, and writes the best as a config."""
    arguments = parser().parse_args(argv)
    for name, value, least in (('trials', arguments.trials, 1), ('seed', arguments.seed, 0)):
        if value < least:
            raise InputError(f'--{name} {value}: must be a whole number from {least}')
    import_optuna()
    warnings.filterwarnings('ignore', module='optuna')  # that some of its parts are experimental
    arm = Arm.prepare(arguments.config, arguments.data_root, (), arguments.skip_data_check)
    knobs = knobs_of(arm.config, arguments.knobs)
    name = arguments.study or arm.experiment
    if Path(name).name != name:
        raise InputError(f'--study {name} is to be a name, not a path')
    folder = Path(arm.root) / f'tune_{name}'
    use_tuning_split(arm.config, arguments.scene, folder)
    length = arm.config.train_cfg
    set_epochs(arm.config, length.get('max_epochs', 1) if arguments.epochs is None else arguments.epochs)
    arm.config.randomness = dict(seed=arguments.seed)
    with owned(folder), jobs.interruptible():
        data = data_key(arm.config)
        setup = dict(knobs=knobs, seed=arguments.seed, epochs=length.max_epochs, data=data, settings=arm.key)
        study = open_study(folder, name, setup)
        try:
            search(study, arm, knobs, folder, arguments)
        except KeyboardInterrupt:
            print('Stopped; the same command goes on from here.', flush=True)
            raise
        conclude(study, folder, arguments)


def search(study: Any, arm: Arm, knobs: Mapping[str, Mapping], folder: Path, arguments: argparse.Namespace) -> None:
    """Trains the teacher where it is missing, then trial after trial."""
    missing = arguments.trials - len(counted(study))
    print(f'Study {folder}: {len(counted(study))} trials so far, {max(missing, 0)} to go', flush=True)
    if missing > 0 and arm.teacher:
        try:
            train.ensure_teacher(arm.config, arm.arguments, by=jobs.train_apart)
        except RuntimeError as error:
            print(f'the teacher of {arm.path} failed: {error}', file=sys.stderr)
            raise SystemExit(1) from error
    for run in folder.glob('trial_*'):  # of a trial that was cut off
        remove_checkpoints(run)
    while len(counted(study)) < arguments.trials:
        trial, values = ask(study, knobs, arguments.seed)
        told = ', '.join(f'{name} {value:.3g}' for name, value in values.items())
        print(f'[{len(counted(study)) + 1}/{arguments.trials}] trial {trial.number}: {told}', flush=True)
        begun = time.monotonic()
        outcome = attempt(study, trial, arm.config, values, folder / f'trial_{trial.number:03d}')
        print(f'    {outcome}, {(time.monotonic() - begun) / 60:.1f} min', flush=True)


def attempt(study: Any, trial: Any, base: Config, values: Mapping[str, Any], run: Path) -> str:
    """Runs one trial and tells the study; returns what came out, in words."""
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
    """Reports every validation of a run from its record; stops it, and returns True, where it is to be pruned."""
    reported = 0
    while True:
        ended = process.poll() is not None  # asked first, so that its last words are read below
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
    """(epoch, mIoU in percent) of every validation so far."""
    record = read_record(run / 'result.json')
    return validated(record, 'mIoU') if record else []


def remove_checkpoints(run: Path) -> None:
    """Keeps a trial's record, logs and config alone."""
    shutil.rmtree(run / 'checkpoints', ignore_errors=True)
    (run / 'last_checkpoint').unlink(missing_ok=True)


def conclude(study: Any, folder: Path, arguments: argparse.Namespace) -> None:
    """Prints the trials and what each knob mattered, and writes the best trial as a config."""
    complete = [trial for trial in study.trials if trial.state.name == 'COMPLETE']
    terminal.console().print(table(study))
    if not complete:
        print(f'no trial was completed; see {jobs.CONSOLE} in the directories under {folder}', file=sys.stderr)
        raise SystemExit(1)
    told = ', '.join(f'{name} {share:.0%}' for name, share in importances(study).items())
    few = ', which are few' if len(complete) < RANDOM_TRIALS else ''
    print(f'Importance of the knobs, from {len(complete)} trials{few}: {told or "cannot be told"}')
    data = f' --data-root {arguments.data_root}' if arguments.data_root else ''
    best = max(complete, key=lambda trial: trial.value)
    epochs = study.user_attrs['setup']['epochs']
    story = (
        f'The best of {len(counted(study))} trials (number {best.number}): mIoU {best.value:.2f} on the tuning split '
        f'after {epochs} epochs,\nseed {arguments.seed}. What it is worth on validation tiles is to be measured:\n\n'
        f'    python tools/repeat.py {folder / "best.py"}{data}\n'
    )
    print(f'Best: trial {best.number}, mIoU {best.value:.2f} on the tuning split, as a config in', end=' ')
    print(write_tuned(folder, arguments.config, best.params, story))


def table(study: Any) -> Table:
    """One row a trial, the best first."""
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
