"""The training tool: one command from a config, and a folder of tiles if there is one, to a finished run."""

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..compat import keep_freed_memory
from ..engine import processes, teachers
from ..engine.hooks import InterruptHook, LockHook, ProgressHook, RecordHook
from ..engine.rehearsal import rehearse
from ..engine.run_key import deciding, differences
from ..engine.tool_runner import ToolRunner
from ..errors import InputError, RollBack, RunInterrupted
from ..evaluation.record import read_record
from . import cli
from .config import load_config, override
from .config_check import check_config
from .data_root import apply_data_root, check_data, use_unlabelled
from .jobs import interruptible
from .run_length import off_schedule, set_epochs
from .runs import begun, given_run_dir, new_run_dir, newest_run, runs_of
from .switches import add_switches, apply_switches
from .teacher_training import (
    name_members,
    publish_teacher,
    recipes_of,
    refuse_untrained,
    stored,
    teacher_config,
    trained,
    unfinished_teacher,
    untrained,
)


def parser() -> argparse.ArgumentParser:
    """Arguments: those of MMSegmentation's own tool, and ours."""
    parser = argparse.ArgumentParser(description='Train a student, its teacher, or its control.', allow_abbrev=False)
    parser.add_argument('config', help='a config, such as configs/distill/improved.py')
    parser.add_argument('--work-dir', help='where the run goes; default: experiments/<experiment>_<time>')
    parser.add_argument(
        '--resume',
        action='store_true',
        help='go on with the newest run of this experiment, or with the one that --work-dir names',
    )
    add_switches(parser)
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')
    parser.add_argument('--data-root', metavar='PATH', help="folder with dataset.yaml, or of the config's own data set")
    parser.add_argument('--skip-data-check', action='store_true', help='do not read every file of --data-root first')
    parser.add_argument(
        '--epochs', type=int, metavar='N', help='another length of the run; phases and schedules in epochs go with it'
    )
    parser.add_argument('--seed', type=int, help='seed of weights, order, augmentation and dropout')
    parser.add_argument(
        '--strict', action='store_true', help='stop at the first finding of the diagnosis (exit status 1)'
    )
    parser.add_argument('--retrain-teacher', action='store_true', help='train the teacher anew even where it exists')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Trains what the arguments say."""
    arguments = cli.parse(parser(), argv)
    keep_freed_memory()
    if arguments.launcher != 'none':
        processes.join(arguments.launcher, load_config(arguments.config).get('env_cfg', {}))
    config = prepare(arguments)
    if config.get('members'):
        train_members(config, arguments)
        return processes.leave()
    if arguments.resume and teacher_was_cut_off(config, arguments):
        arguments.resume = False  # the student has not begun: what there is to go on with is the teacher
    if arguments.resume:  # whether there is a run to go on with is known before a teacher is trained
        place(config, arguments)
    if not arguments.resume:
        rehearse_all(config, arguments)
    if is_distillation(config):
        ensure_teacher(config, arguments)
    if not arguments.resume:
        place(config, arguments)
    train(config)
    processes.leave()


def train_members(config: Config, arguments: argparse.Namespace) -> None:
    """Trains what is missing of an ensemble, and puts it together.

    Raises:
        InputError: An argument would change a training that an ensemble does not have.
    """
    for name in ('epochs', 'seed', 'work_dir'):
        if getattr(arguments, name) is not None:
            raise InputError(
                f'--{name.replace("_", "-")} {getattr(arguments, name)}: {arguments.config} is an ensemble, which has '
                "no training of its own; make it a setting of its members' recipes"
            )
    name_members(config, arguments)
    left = [] if stored(config).is_file() else untrained(config, arguments)
    if left:
        rehearse_roles([('teacher', one) for one in left])
    trained(config, arguments, train)


def rehearse_all(config: Config, arguments: argparse.Namespace) -> None:
    """Rehearses the run, and the training of the teacher that it would begin with.

    Raises:
        InputError: What would have failed later.
    """
    roles = [('teacher' if config.get('publish_teacher') else 'student', config)]
    if is_distillation(config) and config.model.get('teacher_ckpt', 'auto') == 'auto':
        recipe = teacher_config(config, arguments)
        if not stored(recipe).is_file() or arguments.retrain_teacher:
            roles = [*(('teacher', one) for one in untrained(recipe, arguments)), *roles]
    rehearse_roles(roles)


def rehearse_roles(roles: Sequence[tuple[str, Config]]) -> None:
    """Rehearses trainings, each with what it trains, and says how long that took."""
    with interruptible():
        seconds = sum(rehearse(settings, role) for role, settings in roles)
    who = ' and '.join(role for role, _ in roles)
    print_log(
        f'Rehearsal: a training batch, two validation images, the metrics, a record and a checkpoint of {who} went '
        f'through in {seconds:.1f} s',
        'current',
    )


def is_distillation(config: Config) -> bool:
    """Whether a config has a teacher."""
    return config.model.get('type') == 'MultiLevelDistill'


def teacher_was_cut_off(config: Config, arguments: argparse.Namespace) -> bool:
    """Whether the run before this one ended in its teacher's training."""
    if not is_distillation(config) or config.model.get('teacher_ckpt', 'auto') != 'auto' or arguments.work_dir:
        return False
    root = config.get('experiments', 'experiments')
    if runs_of(root, experiment_of(config, arguments)):
        return False
    recipes = recipes_of(teacher_config(config, arguments), arguments)
    return any(unfinished_teacher(recipe, teachers.content_key(recipe)) is not None for recipe in recipes)


def prepare(arguments: argparse.Namespace) -> Config:
    """Reads the config and applies the arguments that change it."""
    config = load_config(arguments.config)
    if 'model' not in config or 'train_cfg' not in config:
        raise InputError(f'config {arguments.config} trains nothing: it has no model or no train_cfg')
    if arguments.data_root:
        apply_data_root(config, arguments.data_root)
    if arguments.epochs is not None:
        set_epochs(config, arguments.epochs)
    override(config, arguments.cfg_options)
    ends = off_schedule(config)
    if ends:
        print_log(ends, 'current', logging.WARNING)
    config.launcher = arguments.launcher
    if arguments.seed is not None:
        if arguments.seed < 0:
            raise InputError(f'--seed {arguments.seed} must be a whole number from 0')
        config.randomness = dict(seed=arguments.seed)
    if arguments.strict:
        config.default_hooks.setdefault('diagnosis', dict(type='DiagnosisHook')).strict = True
    if not (config.get('train_dataloader') or {}).get('dataset'):
        raise InputError('train_dataloader.dataset is None; expected the tiles to train on, as the config had them')
    if config.get('val_dataloader') is None:
        raise InputError(
            'val_dataloader=None: without a validation nobody knows what a run is worth; leave it in, and raise '
            'train_cfg.val_interval to validate less often'
        )
    apply_switches(config, arguments)
    check_config(config)
    use_unlabelled(config)
    check_data(config, bool(arguments.data_root and not arguments.skip_data_check))
    return config


def experiment_of(config: Config, arguments: argparse.Namespace) -> str:
    """What a run directory is named by."""
    return config.get('experiment') or Path(arguments.config).stem


def place(config: Config, arguments: argparse.Namespace) -> None:
    """Gives the run its directory, a new one or the one to go on with."""
    experiment = config.experiment = experiment_of(config, arguments)
    root = config.get('experiments', 'experiments')

    def folder() -> str:
        if not arguments.resume:
            made = given_run_dir(arguments.work_dir) if arguments.work_dir else new_run_dir(root, experiment)
            return str(made)
        found = Path(arguments.work_dir) if arguments.work_dir else newest_run(root, experiment)
        if not begun(found):
            raise InputError(f'--resume: {found} holds no checkpoint to go on from')
        return str(found)

    config.work_dir = processes.from_first(folder)
    if arguments.resume:
        check_same(config, Path(config.work_dir), named=bool(arguments.work_dir))
        config.resume = True
        seed = (read_record(Path(config.work_dir) / 'result.json') or {}).get('seed')
        if arguments.seed is None and seed is not None:
            config.randomness = dict(config.get('randomness') or {}, seed=seed)


def check_same(config: Config, run: Path, named: bool) -> None:
    """Looks whether a run that is to be gone on with is of this config.

    Args:
        config: With the arguments applied.
        run: Its directory.
        named: Whether the user named it: then a difference is said, and no more. So is another length of the run.

    Raises:
        InputError: Another config's run would be gone on with only because it is the newest of its experiment.
    """
    if (read_record(run / 'result.json') or {}).get('status') == 'finished':
        print_log(f'--resume: {run} has finished already; what was interrupted, --work-dir names', 'current')
    if not (run / 'config.py').is_file():  # killed before it wrote one
        return
    found = differences(deciding(config), deciding(load_config(run / 'config.py')))
    if not found:
        return
    told = f'{run} was begun by another config ({"; ".join(found[:3])}{"; ..." if len(found) > 3 else ""})'
    longer = all(each.startswith(('train_cfg.', 'param_scheduler.')) for each in found)
    if not (named or longer):
        raise InputError(
            f'--resume: {told}. Give the same settings, or name the run to go on with by --work-dir: {run} for this one'
        )
    print_log(f'--resume: {told}; from here on it follows this one', 'current', logging.WARNING)


def train(config: Config) -> Runner:
    """Runs a config that has its work_dir, and goes on where it is rolled back; its record says so where it fails."""
    while True:
        try:
            runner = train_once(config)
            break
        except RollBack as back:
            print_log(f'Rolling back: {back}', 'current', logging.WARNING)
            config.resume, config.load_from = True, None
            config.default_hooks.rescue.rolled_back = back.count
            time.sleep(1.0 - time.time() % 1.0)  # MMEngine names a run by its second, and shares what has one name
    if config.get('publish_teacher'):
        processes.from_first(lambda: publish_teacher(runner))  # who goes on finds it there
    print_log(in_short(runner.work_dir), 'current')
    return runner


def train_once(config: Config) -> Runner:
    """Runs a config until its end, or until something ends it."""
    runner = ToolRunner.from_cfg(config)
    if config.get('publish_teacher'):
        refuse_untrained(runner.model)
    try:
        runner.train()
    except BaseException as error:
        for hook in runner.hooks:
            if isinstance(hook, RecordHook):
                hook.fail('interrupted' if isinstance(error, KeyboardInterrupt | RunInterrupted) else 'failed')
            if isinstance(hook, ProgressHook):
                hook.stop()
            if isinstance(hook, InterruptHook):
                hook.restore()
            if isinstance(hook, LockHook):
                hook.after_run(runner)
        raise
    return runner


def in_short(work_dir: str) -> str:
    """A run's last line: what came out, and where it lies."""
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


def ensure_teacher(config: Config, arguments: argparse.Namespace, by: Callable[[Config], Any] = train) -> None:
    """Trains the teacher of ``teacher_ckpt='auto'`` where it is missing, and puts its path into the config.

    Args:
        config: Of a distillation.
        arguments: Of this tool.
        by: What trains the recipe, which has its work_dir: in this process, or in one of its own.
    """
    if config.model.get('teacher_ckpt', 'auto') != 'auto':
        return
    config.model.teacher_ckpt = str(trained(teacher_config(config, arguments), arguments, by))
