"""The export command: a trained student as files for other programs."""

import argparse
from collections.abc import Sequence

from . import cli
from .arguments import add_debug


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser: one subcommand per kind of file."""
    parser = argparse.ArgumentParser(description='Write a trained student as files that leave.', allow_abbrev=False)
    kinds = parser.add_subparsers(dest='kind', required=True, metavar='KIND')
    student = kinds.add_parser('student', help='weights and a config for stock MMSegmentation', allow_abbrev=False)
    _common(student)
    onnx = kinds.add_parser('onnx', help='a graph for ONNX Runtime', allow_abbrev=False)
    _common(onnx)
    _onnx(onnx)
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
    add_debug(kind)


def _onnx(kind: argparse.ArgumentParser) -> None:
    kind.add_argument('--int8', action='store_true', help='also a quantised file, calibrated on training images')
    kind.add_argument('--calibration', type=int, default=64, metavar='N', help='images for that (default 64)')
    kind.add_argument('--table', action='store_true', help='measure teacher, student and files: mIoU, MB, milliseconds')
    kind.add_argument('--rounds', type=int, default=20, metavar='N', help='timed turns of the table (default 20)')
    kind.add_argument(
        '--teacher', metavar='FILE', help="the teacher's checkpoint, where it is not where the run had it"
    )


def main(argv: Sequence[str]) -> None:
    """Writes the files that the arguments ask for."""
    arguments = cli.parse(parser(), argv)
    from ..deployment.export.export_onnx import OnnxOptions, export_onnx
    from ..deployment.export.export_student import export_student
    from ..deployment.find_student import find_student
    from ..deployment.student_data import stock_data
    from ..output_files import check_folder, out_folder

    student, config = find_student(arguments.source, arguments.config)
    folder = out_folder(arguments.out)
    check_folder(folder)
    if arguments.kind == 'student':
        export_student(student, stock_data(student, config, arguments.data_root), folder)
        return
    options = OnnxOptions(
        data_root=arguments.data_root,
        int8=arguments.int8,
        calibration=arguments.calibration,
        table=arguments.table,
        rounds=arguments.rounds,
        source=arguments.source,
        config=arguments.config,
        teacher=arguments.teacher,
    )
    export_onnx(student, config, folder, options)
