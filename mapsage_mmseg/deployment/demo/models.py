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
    """A validation tile as model input, (H, W, 3 or B), and its label (H, W), 255 for unlabelled pixels."""

    image: NDArray[Any]
    label: NDArray[np.int64]


def load_student(model: str, config: str | None) -> tuple[Contestant, Config | None]:
    """Loads the student, and the config of its run or export; for an ONNX file the named config, or None.

    Raises:
        InputError: The student is missing or cannot be read.
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
    """Loads the named teacher or that of the run; returns the reason if there is none.

    Args:
        model: The named student.
        named: The teacher's checkpoint, if it was moved after the run.
        config: Config of the student.
        student: The student; the teacher must have the same classes.

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
    alone = Config(config.to_dict())  # leave_alone replaces the model in it
    weights = leave_alone(alone, str(path), teacher=True)
    known = dict(checkpoint_sha256=card.sha256)
    teacher = Student(alone.model, weights, student.classes, student.palette, known, path, student.bands)
    predictor = torch_predictor(teacher)
    count = predictor.logits(blank(SMALLEST, predictor)[None]).shape[1]
    if count != len(student.classes):
        raise InputError(f'{path} knows {count} classes, and the student {len(student.classes)}')
    return Contestant('teacher', predictor, weights_megabytes(teacher), card.params_m, card.mIoU)


def _of_run(model: str, config: Config) -> Path:
    """Finds the file of a run's teacher, at its recorded path or in the store beside the run, and checks its SHA-256.

    Raises:
        InputError: The file is missing, or is another one.
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
    """Reads validation tiles, evenly spread over the folder or else the run's data; or returns why there are none.

    Raises:
        InputError: A folder is named, and has no tiles, or other classes or bands than the student.
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
