"""Optuna studies, stored in SQLite."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

RANDOM_TRIALS = 10  # before the sampler learns from earlier trials
FAILURE = 'failure'  # user attribute of a trial that failed by itself, rather than being interrupted


def import_optuna() -> Any:
    """Imports Optuna, an optional dependency.

    Raises:
        InputError: It is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "tuning needs Optuna: pip install 'optuna>=3.6', or the extra: pip install '.[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Locks a study against a second process; the lock ends with the process.

    Raises:
        InputError: Another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'study.lock', 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f'another process is tuning in {folder}; choose another study with --study NAME'
            ) from error
        yield


def open_study(folder: Path, name: str, setup: Mapping[str, Any]) -> Any:
    """Opens ``<folder>/study.db``, or creates it.

    A trial that was left running, because its process was stopped, counts as failed and is tried again.

    Args:
        folder: Folder of the study.
        name: Name of the study.
        setup: Settings that all its trials have in common, as JSON content, including ``epochs``. No trial is pruned in
            the first third of the epochs, where task phases of different lengths do not compare.

    Raises:
        InputError: The study was created with another setup, or the file is something else.
    """
    optuna = import_optuna()
    study = optuna.create_study(
        storage=_storage(folder / 'study.db'),
        study_name=name,
        direction='maximize',
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=setup['epochs'] // 3 + 1),
    )
    setup, before = json.loads(json.dumps(setup)), study.user_attrs.get('setup')
    if before is None:
        study.set_user_attr('setup', setup)
    elif before != setup:
        other = next(key for key in setup if setup[key] != before.get(key))
        raise InputError(
            f'{folder / "study.db"}: the study {name!r} was begun with other {other} ({before.get(other)}, now '
            f'{setup[other]}); continue as it was begun, or begin another one with --study NAME'
        )
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _storage(path: Path) -> Any:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DatabaseError

    try:
        return RDBStorage(f'sqlite:///{path}')
    except (DatabaseError, StorageInternalError) as error:
        raise InputError(f"{path} is no study of Optuna's; move it away, or choose another --study NAME") from error


def counted(study: Any) -> list[Any]:
    """Returns the trials that count: finished, pruned, or failed by themselves, but not interrupted."""
    return [trial for trial in study.trials if trial.state.is_finished() and not was_cut_off(trial)]


def was_cut_off(trial: Any) -> bool:
    """Returns whether a trial failed because its process was stopped."""
    return trial.state.name == 'FAIL' and FAILURE not in trial.user_attrs


def ask(study: Any, knobs: Mapping[str, Mapping[str, Any]], seed: int) -> tuple[Any, dict[str, Any]]:
    """Returns the next trial and the values of its knobs.

    They are derived from the seed, the number of trials that count, and their results. So an interrupted study
    continues as if it had not been interrupted, and an interrupted trial is tried again with the same values.
    """
    drawn = int(np.random.SeedSequence([seed, len(counted(study))]).generate_state(1)[0])
    study.sampler = import_optuna().samplers.TPESampler(seed=drawn, n_startup_trials=RANDOM_TRIALS)
    trial = study.ask()
    values = {
        name: trial.suggest_categorical(name, knob['choices'])
        if 'choices' in knob
        else trial.suggest_float(name, knob['low'], knob['high'], log=knob.get('log', False))
        for name, knob in knobs.items()
    }
    return trial, values


def importances(study: Any) -> dict[str, float]:
    """Returns the importance of each knob for the best quarter of the trials, as shares, largest first.

    PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255). Empty if there are too few trials.
    """
    optuna = import_optuna()
    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < 4 or len({trial.value for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
