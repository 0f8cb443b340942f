"""The export tool's ONNX files: float32, int8, and the table that sets them beside student and teacher."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from ..deployment.card import check_checkpoint, write_card
from ..deployment.measure import Form, compare, megabytes, miou, table, weights_megabytes
from ..deployment.onnx_file import require_onnx, session, with_metadata, write_onnx
from ..deployment.predictor import onnx_logits, onnx_predictor, torch_predictor
from ..deployment.quantise import of_one_size, quantise
from ..deployment.student import Student
from ..deployment.tiles import Tiles
from ..engine.hooks.run_facts import device_name, git_commit
from ..errors import InputError
from ..whole_file import whole_file, write_text
from .student_data import data_of
from .students import find_student

FLOAT, INT8, FIGURES = 'student.onnx', 'student.int8.onnx', 'table.json'
CHECKED = 4  # images that the graph is compared with torch on


def add_arguments(kind: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand alone."""
    kind.add_argument('--int8', action='store_true', help='also a quantised file, calibrated on training images')
    kind.add_argument('--calibration', type=int, default=64, metavar='N', help='images for that (default 64)')
    kind.add_argument('--table', action='store_true', help='measure teacher, student and files: mIoU, MB, milliseconds')
    kind.add_argument('--rounds', type=int, default=20, metavar='N', help='timed turns of the table (default 20)')
    kind.add_argument(
        '--teacher', metavar='FILE', help="the teacher's checkpoint, where it is not where the run had it"
    )


def export_onnx(student: Student, config: Config, folder: Path, arguments: argparse.Namespace) -> None:
    """Writes what the arguments ask for, and says what was written.

    Raises:
        InputError: A number is below one; packages or data are missing.
    """
    for name in ('calibration', 'rounds'):
        if getattr(arguments, name) < 1:
            raise InputError(f'--{name} {getattr(arguments, name)} must be a whole number from 1')
    require_onnx()
    check_checkpoint(folder, student)
    check = Tiles(data_of(config, 'val', arguments.data_root, student), CHECKED)
    difference = write_onnx(student, folder / FLOAT, check.images())
    _say(f'{folder / FLOAT}: logits within {difference:.1e} of torch, on {len(check)} validation images')
    beside = None
    if arguments.int8:
        print(f'{folder / INT8}: {_write_int8(student, config, folder, arguments)}')
    if arguments.table:
        figures = _figures(student, config, folder, arguments)
        write_text(folder / FIGURES, json.dumps(figures, indent=1))
        beside = f'## Beside each other\n\n{caption(figures)}\n\n{table(figures["forms"])}'
        print(f'{table(figures["forms"])}\n{caption(figures)}\n{folder / FIGURES}')
    print(write_card(folder, student, beside))


def _write_int8(student: Student, config: Config, folder: Path, arguments: argparse.Namespace) -> str:
    tiles = list(Tiles(data_of(config, 'val', arguments.data_root, student)))
    images = of_one_size(Tiles(data_of(config, 'train', arguments.data_root, student), arguments.calibration).images())
    content = (folder / FLOAT).read_bytes()
    # The way is chosen on one half of the validation images, and its score is that on the other.
    chosen, held_out = (tiles[::2], tiles[1::2]) if len(tiles) > 1 else (tiles, tiles)
    _say(
        f'Quantising: calibrating on {len(images)} training images, choosing by {len(chosen)} validation images, '
        f'scoring on {len(held_out)} others'
    )

    def score(model: bytes, on: list[Any]) -> float:
        return miou(onnx_logits(session(model, 1)), on, student.classes)['mIoU']

    small, way, _ = quantise(content, images, lambda model: score(model, chosen), score(content, chosen))
    others = 'others' if held_out is not chosen else 'the same'
    said = (
        f'{way} on {len(images)} training images, chosen by {len(chosen)} validation images; mIoU '
        f'{score(small, held_out):.2f} on {len(held_out)} {others}, float32 has {score(content, held_out):.2f}'
    )
    with whole_file(folder / INT8) as file:
        file.write(with_metadata(small, dict(metadata_of(content), precision=f'int8: {said}')))
    return said


def metadata_of(model: bytes) -> dict[str, str]:
    """The metadata of an ONNX file."""
    return dict(session(model).get_modelmeta().custom_metadata_map)


def _figures(student: Student, config: Config, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    forms = {}
    teacher = find_teacher(arguments, config)
    if teacher is None:
        print_log('The table has no teacher: its checkpoint was not found; name it with --teacher', 'current')
    else:
        forms['teacher, torch'] = Form(torch_predictor(teacher).logits, weights_megabytes(teacher))
    forms['student, torch'] = Form(torch_predictor(student).logits, weights_megabytes(student))
    for name, file in (('student, ONNX', FLOAT), ('student, ONNX int8', INT8)):
        if (folder / file).is_file():
            forms[name] = Form(onnx_predictor(folder / file).logits, megabytes(folder / file))
    tiles = list(Tiles(data_of(config, 'val', arguments.data_root, student)))
    _say(f'Measuring {", ".join(forms)}: {arguments.rounds} turns, then {len(tiles)} validation images each')
    return dict(
        commit=git_commit(),
        device=device_name('cpu'),
        torch=torch.__version__,
        onnxruntime=_onnxruntime_version(),
        images=len(tiles),
        rounds=arguments.rounds,
        checkpoint_sha256=student.provenance['checkpoint_sha256'],
        forms=compare(forms, tiles, student.classes, arguments.rounds),
    )


def find_teacher(arguments: argparse.Namespace, config: Config) -> Student | None:
    """The run's teacher where its file is, or None."""
    if arguments.teacher:
        if config.model.get('teacher') is None:
            raise InputError(
                f'--teacher {arguments.teacher}: the config describes no teacher, as that of a run without one'
            )
        if not Path(arguments.teacher).is_file():
            raise InputError(f'--teacher {arguments.teacher} does not exist')
    path = arguments.teacher or config.model.get('teacher_ckpt')
    if not path or config.model.get('teacher') is None or not Path(path).is_file():
        return None
    return find_student(arguments.source, arguments.config, teacher=path)[0]


def _say(line: str) -> None:
    print(line, flush=True)  # into a pipe, too, before what takes a minute


def _onnxruntime_version() -> str:
    import onnxruntime

    return onnxruntime.__version__


def caption(figures: dict[str, Any]) -> str:
    """What the table was measured on."""
    return (
        f'mIoU over {figures["images"]} validation images, whole; time of the process on one core, {figures["rounds"]} '
        f'turns; {figures["device"]}, torch {figures["torch"]}, ONNX Runtime {figures["onnxruntime"]}, commit '
        f'{figures["commit"]}.'
    )
