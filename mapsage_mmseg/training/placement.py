"""The run directory of a training, new or resumed."""

import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from ..engine import processes
from ..engine.runs.directory import begun, given_run_dir, new_run_dir, newest_run, runs_of
from ..engine.runs.key import deciding, differences
from ..engine.teachers.keys import content_key
from ..errors import InputError
from ..evaluation.record import read_record
from ..settings.load import experiment_of, is_distillation, load_config
from .options import TrainOptions
from .teacher_training import recipes_of, teacher_config, unfinished_teacher


def place(path: str | Path, config: Config, options: TrainOptions) -> None:
    """Sets the run's directory: a new one, or the one to resume."""
    experiment = config.experiment = experiment_of(config, path)
    root = config.get('experiments', 'experiments')

    def folder() -> str:
        if not options.resume:
            made = given_run_dir(options.work_dir) if options.work_dir else new_run_dir(root, experiment)
            return str(made)
        found = Path(options.work_dir) if options.work_dir else newest_run(root, experiment)
        if not begun(found):
            raise InputError(f'--resume: {found} holds no checkpoint to resume from')
        return str(found)

    config.work_dir = processes.from_first(folder)
    if options.resume:
        check_same(config, Path(config.work_dir), named=bool(options.work_dir))
        config.resume = True
        seed = (read_record(Path(config.work_dir) / 'result.json') or {}).get('seed')
        if options.seed is None and seed is not None:
            config.randomness = dict(config.get('randomness') or {}, seed=seed)


def check_same(config: Config, run: Path, named: bool) -> None:
    """Checks that a run to be resumed has this config.

    Args:
        config: The config with the arguments applied.
        run: The run's directory.
        named: Whether the user named the directory. If so, a difference is only logged. So is another length of the
            run.

    Raises:
        InputError: The run has another config, and would be resumed only because it is the newest of its experiment.
    """
    if (read_record(run / 'result.json') or {}).get('status') == 'finished':
        print_log(
            f'--resume: {run} has finished already, so there is nothing left to train; --work-dir names another run',
            'current',
        )
    if not (run / 'config.py').is_file():  # killed before it wrote one
        return
    found = differences(deciding(config), deciding(load_config(run / 'config.py')))
    if not found:
        return
    told = f'{run} was begun by another config ({"; ".join(found[:3])}{"; ..." if len(found) > 3 else ""})'
    longer = all(each.startswith(('train_cfg.', 'param_scheduler.')) for each in found)
    if not (named or longer):
        raise InputError(
            f'--resume: {told}. Give the same settings, or name the run to resume by --work-dir: {run} for this one'
        )
    print_log(f'--resume: {told}; from here on it follows this one', 'current', logging.WARNING)


def teacher_was_cut_off(path: str | Path, config: Config, options: TrainOptions) -> bool:
    """Returns whether the previous run was interrupted while its teacher was trained."""
    if not is_distillation(config) or config.model.get('teacher_ckpt', 'auto') != 'auto' or options.work_dir:
        return False
    root = config.get('experiments', 'experiments')
    if runs_of(root, experiment_of(config, path)):
        return False
    recipes = recipes_of(teacher_config(config, options.data_root), options.data_root)
    return any(unfinished_teacher(recipe, content_key(recipe)) is not None for recipe in recipes)
