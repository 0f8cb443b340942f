"""The export tool: a trained student as files that leave."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..deployment.card import check_checkpoint, write_card
from ..deployment.stock_config import stock_config
from ..deployment.student import Student
from ..deployment.student_files import write_weights
from ..deployment.timm_backbone import to_timm
from ..errors import InputError
from ..whole_file import write_text
from . import cli
from .export_onnx import add_arguments, export_onnx
from .output import check_folder
from .student_data import stock_data
from .students import find_student


def parser() -> argparse.ArgumentParser:
    """Arguments: one subcommand a kind of file."""
    parser = argparse.ArgumentParser(description='Write a trained student as files that leave.', allow_abbrev=False)
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    student = kinds.add_parser('student', help='weights and a config for stock MMSegmentation', allow_abbrev=False)
    _common(student)
    onnx = kinds.add_parser('onnx', help='a graph for ONNX Runtime', allow_abbrev=False)
    _common(onnx)
    add_arguments(onnx)
    return parser


def _common(kind: argparse.ArgumentParser) -> None:
    kind.add_argument(
        'source',
        metavar='RUN_OR_CHECKPOINT',
        help='a run directory (its last checkpoint), or a checkpoint',
    )
    kind.add_argument('-o', '--out', required=True, metavar='DIR', help='where the files go')
    kind.add_argument('--config', metavar='FILE', help='of a checkpoint without a config.py beside it')
    kind.add_argument('--data-root', metavar='PATH', help="a folder of tiles in place of the run's own data")
    kind.add_argument('--debug', action='store_true', help='show tracebacks')


def main(argv: Sequence[str]) -> None:
    """Writes what the arguments say."""
    arguments = cli.parse(parser(), argv)
    student, config = find_student(arguments.source, arguments.config)
    folder = out_folder(arguments.out)
    check_folder(folder)
    if arguments.kind == 'student':
        export_student(student, stock_data(student, config, arguments.data_root), folder)
    else:
        export_onnx(student, config, folder, arguments)


def out_folder(name: str) -> Path:
    """Makes the folder that ``-o`` names.

    Raises:
        InputError: It cannot be made.
    """
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'-o {name} cannot be made: {error.strerror}; name a folder') from error
    return path


def export_student(student: Student, dataset: Mapping[str, Any], folder: Path) -> None:
    """Writes weights, config and card, and says what was written."""
    check_checkpoint(folder, student)
    student.build()  # weights that do not fit are not passed on
    student = to_timm(student)
    text = stock_config(student, dataset)
    written = write_weights(student, folder)
    write_text(folder / 'config.py', text)
    written += [folder / 'config.py', write_card(folder, student)]
    for path in written:
        print(path)
