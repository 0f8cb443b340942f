"""ONNX files of a student: float32, int8, and a table that compares them with student and teacher."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from ...engine.runs.facts import device_name, git_commit
from ...errors import InputError
from ...whole_file import whole_file, write_text
from ..find_student import find_student
from ..predictor import onnx_logits, onnx_predictor, torch_predictor
from ..student.onnx_file import require_onnx, session, with_metadata, write_onnx
from ..student.student import Student
from ..student_data import data_of
from .card import check_checkpoint, write_card
from .measure import Form, compare, megabytes, miou, table, weights_megabytes
from .quantise import of_one_size, quantise
from .scored_tiles import Tiles

FLOAT, INT8, FIGURES = 'student.onnx', 'student.int8.onnx', 'table.json'
CHECKED = 4  # images on which the graph is compared with torch


@dataclass(frozen=True)
class OnnxOptions:
    """Options of an ONNX export: what is written besides the graph in float32.

    Attributes:
        data_root: A folder of tiles in place of the run's own data.
        int8: Also write a quantised file, calibrated on training images.
        calibration: Number of images for the calibration.
        table: Measure teacher, student and files: mIoU, MB, milliseconds.
        rounds: Timed runs of each model in the table.
        source: The run or checkpoint that the student came from, for its teacher.
        config: Config of a checkpoint without one beside it.
        teacher: The teacher's checkpoint, if it was moved after the run.

    Raises:
        InputError: A number is below one.
    """

    data_root: str | None = None
    int8: bool = False
    calibration: int = 64
    table: bool = False
    rounds: int = 20
    source: str | None = None
    config: str | None = None
    teacher: str | None = None

    def __post_init__(self) -> None:
        for name in ('calibration', 'rounds'):
            if getattr(self, name) < 1:
                raise InputError(f'--{name} {getattr(self, name)} must be a whole number from 1')


def export_onnx(student: Student, config: Config, folder: Path, options: OnnxOptions) -> None:
    """Writes ONNX files of a student, and prints what was written.

    Raises:
        InputError: Packages or data are missing.
    """
    require_onnx()
    check_checkpoint(folder, student)
    check = Tiles(data_of(config, 'val', options.data_root, student), CHECKED)
    difference = write_onnx(student, folder / FLOAT, check.images())
    _say(f'{folder / FLOAT}: logits within {difference:.1e} of torch, on {len(check)} validation images')
    beside = None
    if options.int8:
        print(f'{folder / INT8}: {_write_int8(student, config, folder, options)}')
    if options.table:
        figures = _figures(student, config, folder, options)
        write_text(folder / FIGURES, json.dumps(figures, indent=1))
        beside = f'## Beside each other\n\n{caption(figures)}\n\n{table(figures["forms"])}'
        print(f'{table(figures["forms"])}\n{caption(figures)}\n{folder / FIGURES}')
    print(write_card(folder, student, beside))


def _write_int8(student: Student, config: Config, folder: Path, options: OnnxOptions) -> str:
    tiles = list(Tiles(data_of(config, 'val', options.data_root, student)))
    images = of_one_size(Tiles(data_of(config, 'train', options.data_root, student), options.calibration).images())
    content = (folder / FLOAT).read_bytes()
    # One half of the validation images chooses the way of quantisation, the other half scores it.
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
    """Returns the metadata of an ONNX file."""
    return dict(session(model).get_modelmeta().custom_metadata_map)


def _figures(student: Student, config: Config, folder: Path, options: OnnxOptions) -> dict[str, Any]:
    torch.set_num_threads(1)
    forms = {}
    teacher = find_teacher(options, config)
    if teacher is None:
        print_log('The table has no teacher: its checkpoint was not found; name it with --teacher', 'current')
    else:
        forms['teacher, torch'] = Form(torch_predictor(teacher).logits, weights_megabytes(teacher))
    forms['student, torch'] = Form(torch_predictor(student).logits, weights_megabytes(student))
    for name, file in (('student, ONNX', FLOAT), ('student, ONNX int8', INT8)):
        if (folder / file).is_file():
            forms[name] = Form(onnx_predictor(folder / file).logits, megabytes(folder / file))
    tiles = list(Tiles(data_of(config, 'val', options.data_root, student)))
    _say(f'Measuring {", ".join(forms)}: {options.rounds} turns, then {len(tiles)} validation images each')
    return dict(
        commit=git_commit(),
        device=device_name('cpu'),
        torch=torch.__version__,
        onnxruntime=_onnxruntime_version(),
        images=len(tiles),
        rounds=options.rounds,
        checkpoint_sha256=student.provenance['checkpoint_sha256'],
        forms=compare(forms, tiles, student.classes, options.rounds),
    )


def find_teacher(options: OnnxOptions, config: Config) -> Student | None:
    """Loads the run's teacher; None if its checkpoint is not found."""
    if options.teacher:
        if config.model.get('teacher') is None:
            raise InputError(
                f'--teacher {options.teacher}: the config describes no teacher, as that of a run without one'
            )
        if not Path(options.teacher).is_file():
            raise InputError(f'--teacher {options.teacher} does not exist')
    path = options.teacher or config.model.get('teacher_ckpt')
    if not path or config.model.get('teacher') is None or not Path(path).is_file() or not options.source:
        return None
    return find_student(options.source, options.config, teacher=path)[0]


def _say(line: str) -> None:
    print(line, flush=True)  # flushed, because a slow step follows and the output may be a pipe


def _onnxruntime_version() -> str:
    import onnxruntime

    return onnxruntime.__version__


def caption(figures: dict[str, Any]) -> str:
    """Describes how the table was measured."""
    return (
        f'mIoU over {figures["images"]} validation images, whole; time of the process on one core, {figures["rounds"]} '
        f'turns; {figures["device"]}, torch {figures["torch"]}, ONNX Runtime {figures["onnxruntime"]}, commit '
        f'{figures["commit"]}.'
    )
