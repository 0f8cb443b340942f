"""The models and examples of the demo: a student, the teacher of its run, validation tiles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from ...engine.teachers.recipes import resolve_teacher
from ...engine.teachers.store import key_of_file, read_teacher, teacher_file
from ...errors import InputError
from ...settings.load import is_distillation, load_config
from ...weights_file import file_digest
from ..export.measure import megabytes, weights_megabytes
from ..export.scored_tiles import Tiles
from ..find_student import find_student, leave_alone, load_predictor, record_of
from ..predictor import Predictor, torch_predictor
from ..student.student import Student
from ..student_data import data_of
from .side_by_side import Contestant, blank
from .uploads import SMALLEST


@dataclass(frozen=True)
class Example:
    """A validation tile as the model takes it, (H, W, 3 or B), and its label (H, W), 255 where there is none."""

    image: NDArray[Any]
    label: NDArray[np.int64]


def load_student(model: str, config: str | None) -> tuple[Contestant, Config | None]:
    """The student, and the config of its run or export; None where an ONNX file has none with it.

    Raises:
        InputError: It is missing or cannot be read.
    """
    if Path(model).suffix != '.onnx':
        student, read = find_student(model, config)
        return _contestant(torch_predictor(student), weights_megabytes(student)), read
    init_default_scope('mmseg')
    predictor = load_predictor(model)
    return _contestant(predictor, megabytes(Path(model))), load_config(config) if config else None


def _contestant(predictor: Predictor, size: float) -> Contestant:
    known = predictor.provenance
    return Contestant('student', predictor, size, known.get('params_m'), (known.get('scores') or {}).get('mIoU'))


def find_teacher(model: str, named: str | None, config: Config | None, student: Predictor) -> Contestant | str:
    """The teacher that is named or that the run had; or why there is none.

    Args:
        model: The student that is named.
        named: The teacher's checkpoint, where it is not where the run had it.
        config: Of the student.
        student: Whose classes it must know.

    Raises:
        InputError: A teacher is named, and cannot be shown.
    """
    if config is None or not is_distillation(config):
        reason = 'an ONNX file has no config with it' if config is None else 'the config describes none'
        if named:
            raise InputError(f"--teacher {named}: {reason}; name the distillation's with --config")
        return f'No teacher is shown: {reason}.'
    try:
        path = Path(named) if named else _of_run(model, config)
        if not path.is_file():
            raise InputError(f'--teacher {path} does not exist')
        return _load_teacher(config, path, student)
    except InputError as error:
        if named:
            raise
        return f'No teacher is shown: {error}.'


def _load_teacher(config: Config, path: Path, student: Predictor) -> Contestant:
    _, card = read_teacher(path)
    if card.classes not in ((), student.classes):
        raise InputError(f"{path} knows the classes {', '.join(card.classes)}, not the student's")
    alone = Config(config.to_dict())  # leave_alone puts the one model in the config's place
    weights = leave_alone(alone, str(path), teacher=True)
    known = dict(checkpoint_sha256=card.sha256)
    teacher = Student(alone.model, weights, student.classes, student.palette, known, path, student.bands)
    predictor = torch_predictor(teacher)
    count = predictor.logits(blank(SMALLEST, predictor)[None]).shape[1]
    if count != len(student.classes):
        raise InputError(f'{path} knows {count} classes, and the student {len(student.classes)}')
    return Contestant('teacher', predictor, weights_megabytes(teacher), card.params_m, card.mIoU)


def _of_run(model: str, config: Config) -> Path:
    """The file of a run's teacher: where its record says, or in the store beside the run, and that very file.

    Raises:
        InputError: It is not there, or is another one.
    """
    known = (record_of(Path(model)) or {}).get('teacher') or {}
    named = known.get('path')
    if not named:
        return resolve_teacher(config, config.model.get('teacher_ckpt') or 'auto')
    places = [Path(named)]
    if key := key_of_file(named):
        places += [teacher_file(folder, key) for folder in Path(model).resolve().parents[:3]]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f'{named} is not there; name its place with --teacher')
    if known.get('sha256') not in (None, file_digest(found)):
        raise InputError(f"{found} is not the run's teacher, whose SHA-256 was {known['sha256']}")
    return found


def find_examples(config: Config | None, data_root: str | None, count: int, student: Predictor) -> list[Example] | str:
    """Validation tiles, evenly spread over the set, of a folder or else of the run; or why there are none.

    Raises:
        InputError: A folder is named, and has none, or has other classes than the student.
    """
    if count == 0:
        return []
    try:
        if config is None and data_root is None:
            return 'No examples are offered: an ONNX file has no config with it; name a folder with --data-root.'
        dataset = data_of(config, 'val', data_root, student)
        tiles = Tiles(dataset, count)
        if (tiles.bands and tiles.bands.numbers) != (student.bands and student.bands.numbers):
            raise InputError(f'{dataset.get("data_root")} has other bands than the model takes')
        return [Example(image, label) for image, label in tiles]
    except InputError as error:
        if data_root:
            raise
        return f'No examples are offered: {error}.'
