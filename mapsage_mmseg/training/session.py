"""A training session: from a config and options to a finished run."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..engine import processes
from ..engine.rehearsal import rehearse
from ..engine.tool_runner import ToolRunner
from ..errors import InputError, RollBack, RunInterrupted
from ..evaluation.record import read_record
from ..settings.check import check_config
from ..settings.data_root import apply_data_root, check_data, use_unlabelled
from ..settings.load import is_distillation, load_config, override
from ..settings.run_length import off_schedule, set_epochs
from .command_lines import write_commands
from .jobs import interruptible
from .options import TrainOptions
from .placement import place, teacher_was_cut_off
from .switches import apply_switches
from .teacher_training import (
    name_members,
    publish_teacher,
    refuse_untrained,
    stored,
    teacher_config,
    trained,
    untrained,
)


def train(path: str | Path, options: TrainOptions | None = None) -> Path | None:
    """Rehearses a config's run, trains its teacher if it is missing, and then trains the run.

    Args:
        path: Path of a config, such as ``configs/distill/improved.py``.
        options: Options in addition to the config.

    Returns:
        The run directory; None if the config is an ensemble of teachers, which has no run of its own.

    Raises:
        InputError: The config, the options or the data are wrong.
        RunStopped: The run stopped itself.
        RunInterrupted: A signal ended the run.
    """
    options = options or TrainOptions()
    config = prepare(path, options)
    write_commands(config, path, options)
    if config.get('members'):
        train_members(path, config, options)
        return None
    if options.resume and teacher_was_cut_off(path, config, options):
        options = replace(options, resume=False)  # the student has not started: only its teacher is resumed
    if options.resume:  # fails before a teacher is trained if there is no run to resume
        place(path, config, options)
    else:
        rehearse_all(config, options)
    if is_distillation(config):
        ensure_teacher(config, options.data_root, retrain=options.retrain_teacher)
    if not options.resume:
        place(path, config, options)
    return Path(fit(config).work_dir)


def prepare(path: str | Path, options: TrainOptions) -> Config:
    """Reads a config and applies the options that change it.

    Raises:
        InputError: The config trains nothing, or an option or a setting is wrong.
    """
    config = load_config(path)
    if 'model' not in config or 'train_cfg' not in config:
        raise InputError(f'config {path} trains nothing: it has no model or no train_cfg')
    if options.data_root:
        apply_data_root(config, options.data_root)
    if options.epochs is not None:
        set_epochs(config, options.epochs)
    override(config, options.cfg_options)
    ends = off_schedule(config)
    if ends:
        print_log(ends, 'current', logging.WARNING)
    config.launcher = options.launcher
    if options.seed is not None:
        if options.seed < 0:
            raise InputError(f'--seed {options.seed} must be a whole number from 0')
        config.randomness = dict(seed=options.seed)
    if options.strict:
        config.default_hooks.setdefault('diagnosis', dict(type='DiagnosisHook')).strict = True
    if not (config.get('train_dataloader') or {}).get('dataset'):
        raise InputError('train_dataloader.dataset is None; expected the tiles to train on, as the config had them')
    if config.get('val_dataloader') is None:
        raise InputError(
            'val_dataloader=None: without a validation nobody knows what a run is worth; leave it in, and raise '
            'train_cfg.val_interval to validate less often'
        )
    apply_switches(config, options)
    check_config(config)
    use_unlabelled(config)
    check_data(config, bool(options.data_root and not options.skip_data_check))
    return config


def train_members(path: str | Path, config: Config, options: TrainOptions) -> None:
    """Trains the missing members of an ensemble, and puts it together.

    Raises:
        InputError: An option applies to a training that an ensemble does not have.
    """
    for name in ('epochs', 'seed', 'work_dir'):
        if getattr(options, name) is not None:
            raise InputError(
                f'--{name.replace("_", "-")} {getattr(options, name)}: {path} is an ensemble, which has '
                "no training of its own; make it a setting of its members' recipes"
            )
    name_members(config, options.data_root)
    left = [] if stored(config).is_file() else untrained(config, options.data_root, options.retrain_teacher)
    if left:
        rehearse_roles([('teacher', one) for one in left])
    trained(config, options.data_root, fit, options.retrain_teacher)


def rehearse_all(config: Config, options: TrainOptions) -> None:
    """Rehearses the run, and before it the training of its teacher if that is missing.

    Raises:
        InputError: A part of a training would have failed later.
    """
    roles = [('teacher' if config.get('publish_teacher') else 'student', config)]
    if is_distillation(config) and config.model.get('teacher_ckpt', 'auto') == 'auto':
        recipe = teacher_config(config, options.data_root)
        if not stored(recipe).is_file() or options.retrain_teacher:
            left = untrained(recipe, options.data_root, options.retrain_teacher)
            roles = [*(('teacher', one) for one in left), *roles]
    rehearse_roles(roles)


def rehearse_roles(roles: Sequence[tuple[str, Config]]) -> None:
    """Rehearses trainings, each given as (role, config), and logs how long that took."""
    with interruptible():
        seconds = sum(rehearse(settings, role) for role, settings in roles)
    who = ' and '.join(role for role, _ in roles)
    print_log(
        f'Rehearsal: a training batch, two validation images, the metrics, a record and a checkpoint of {who} went '
        f'through in {seconds:.1f} s',
        'current',
    )


def fit(config: Config) -> Runner:
    """Runs a config that has its work_dir, and resumes it after a rollback; a failure is noted in its record."""
    while True:
        try:
            runner = _fit_once(config)
            break
        except RollBack as back:
            print_log(f'Rolling back: {back}', 'current', logging.WARNING)
            config.resume, config.load_from = True, None
            config.default_hooks.rescue.rolled_back = back.count
    if config.get('publish_teacher'):
        processes.from_first(lambda: publish_teacher(runner))  # the others wait for it
    print_log(in_short(runner.work_dir), 'current')
    return runner


def _fit_once(config: Config) -> Runner:
    """Runs a config until its end, or until an error or a signal ends it."""
    runner = ToolRunner.from_cfg(config)
    if config.get('publish_teacher'):
        refuse_untrained(runner.model)
    try:
        runner.train()
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | RunInterrupted)
        runner.call_hook('after_failure', status='interrupted' if interrupted else 'failed')
        runner.call_hook('after_failure_noted')  # nothing is written to the run directory after this
        raise
    return runner


def in_short(work_dir: str) -> str:
    """Returns a run's last line: its results, and its directory."""
    record = read_record(Path(work_dir) / 'result.json') or {}
    val = (record.get('epochs') or [{}])[-1].get('val') or {}
    parts = [f'validation mIoU {val["mIoU"]:.2f}'] if val.get('mIoU') is not None else []
    if val.get('task_loss') is not None:
        parts.append(f'task loss {val["task_loss"]:.4f} (chance {record["dataset"]["chance_loss"]:.4f})')
    if val.get('teacher_agreement') is not None:
        parts.append(f'agreement with the teacher {val["teacher_agreement"]:.1f} %')
    if val.get('teacher_mIoU') is not None:
        parts.append(f"the teacher's mIoU {val['teacher_mIoU']:.2f}")
    minutes = sum(entry['seconds'] for entry in record.get('epochs', [])) / 60
    status = record.get('status', 'ended').capitalize()
    return f'{status}: {", ".join(parts)}; trained {minutes:.1f} min. See {work_dir}'


def ensure_teacher(
    config: Config, data_root: str | None, by: Callable[[Config], Any] = fit, retrain: bool = False
) -> None:
    """Trains the teacher of ``teacher_ckpt='auto'`` if it is missing, and writes its path into the config.

    Args:
        config: The config of a distillation.
        data_root: The ``data_root`` of the distillation.
        by: Function that trains a recipe, which has its work_dir, in this process or in a separate one.
        retrain: Train the teacher even if it exists.
    """
    if config.model.get('teacher_ckpt', 'auto') == 'auto':
        config.model.teacher_ckpt = str(trained(teacher_config(config, data_root), data_root, by, retrain))
