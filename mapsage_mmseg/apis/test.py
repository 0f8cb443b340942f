"""The test tool: scores and pictures of a student, or of its teacher."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from rich.table import Table
from rich.text import Text

from ..compat import keep_freed_memory
from ..engine import processes
from ..errors import InputError
from . import cli, terminal
from .config import load_config, override
from .config_check import check_config
from .data_root import apply_data_root, check_data, set_bands, set_classes
from .output import check_writable, write
from .scoring import score
from .student_data import as_model_knows, check_fits
from .students import last_checkpoint, leave_alone, model_facts
from .teacher_training import trained_teacher
from .train import is_distillation


def parser() -> argparse.ArgumentParser:
    """Arguments: those of MMSegmentation's own tool that fit, and ours."""
    parser = argparse.ArgumentParser(
        description='Score a student, or its teacher, on the validation tiles.', allow_abbrev=False
    )
    parser.add_argument('config', help='a config, or the directory of a run')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help="default: the last checkpoint of the run; with --teacher the teacher's",
    )
    parser.add_argument('--teacher', action='store_true', help='score the teacher instead of the student')
    parser.add_argument('--data-root', metavar='PATH', help='score on this folder: img_dir, ann_dir and dataset.yaml')
    parser.add_argument('--skip-data-check', action='store_true', help='do not read every file of --data-root first')
    parser.add_argument('--work-dir', help='where logs and pictures go; default: <run>/test or work_dirs/test')
    parser.add_argument('--pictures', type=int, default=8, metavar='N', help='how many pictures to draw (default 8)')
    parser.add_argument('--out', metavar='FILE', help='write the scores as JSON')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Scores what the arguments say and prints a table."""
    arguments = cli.parse(parser(), argv)
    keep_freed_memory()
    run = Path(arguments.config) if Path(arguments.config).is_dir() else None
    config = load_config(run / 'config.py' if run else arguments.config)
    processes.join(arguments.launcher, config.get('env_cfg', {}))
    if arguments.data_root:
        apply_data_root(config, arguments.data_root)
    override(config, arguments.cfg_options)
    check_config(config)
    check_data(config, bool(arguments.data_root and not arguments.skip_data_check), ('test_dataloader',))
    checkpoint = arguments.checkpoint or default_checkpoint(config, run, arguments)
    if arguments.data_root:
        follow_model(config, checkpoint)
    weights = leave_alone(config, checkpoint, arguments.teacher)
    folder = run / 'test' if run else Path('work_dirs') / 'test'
    config.work_dir = arguments.work_dir or str(folder / ('teacher' if arguments.teacher else 'student'))
    config.launcher, config.resume, config.load_from = arguments.launcher, False, None
    if arguments.out:
        check_writable(arguments.out)
    scores = score(config, weights, checkpoint, arguments.pictures, 'teacher' if arguments.teacher else 'student')
    if is_main_process():
        show(scores, checkpoint)
        if arguments.pictures:
            print(f'Pictures: {Path(config.work_dir) / "pictures"}')
        if arguments.out:
            write(arguments.out, json.dumps(scores, indent=1))
    processes.leave()


def follow_model(config: Config, checkpoint: str) -> None:
    """Has a folder of tiles seen as the model knows it: its classes, its bands, its normalisation.

    Raises:
        InputError: The folder has a class that the model does not know, or other bands.
    """
    known, dataset = model_facts(Path(checkpoint)), config.test_dataloader.dataset
    if known is None or dataset.get('type') != 'FolderLandCover':
        return
    check_fits(dataset.data_root, known)
    set_classes(config, len(known.classes))
    if known.bands:
        set_bands(config, known.bands)
    dataset.update(as_model_knows(known))


def default_checkpoint(config: Config, run: Path | None, arguments: argparse.Namespace) -> str:
    """The run's student, or the teacher that its config names."""
    if arguments.teacher:
        if not is_distillation(config):
            raise InputError('--teacher: this config has no teacher; name the config of a distillation')
        return str(trained_teacher(config, arguments))
    found = last_checkpoint(run) if run else None
    if found is None and run:
        raise InputError(f'{run} has no checkpoint in checkpoints; name the checkpoint to score')
    if found is None:
        raise InputError(
            'name the checkpoint to score: tools/test.py CONFIG CHECKPOINT, or tools/test.py RUN_DIRECTORY'
        )
    return str(found)


def show(scores: Mapping[str, float], checkpoint: str) -> None:
    """Prints the scores as a table."""
    print(f'Scores of {checkpoint}')
    table = Table()
    table.add_column('score')
    table.add_column('value', justify='right')
    for key, value in scores.items():
        if key not in ('data_time', 'time'):
            table.add_row(Text(key.replace('IoU.', 'IoU of ')), f'{value:.4f}' if 'loss' in key else f'{value:.2f}')
    terminal.console().print(table)
