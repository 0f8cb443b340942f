"""Loading of the student that a user names: a run directory, a checkpoint in it, or an exported directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..engine.runs.checkpoint_files import resumable
from ..engine.teachers.store import read_teacher
from ..errors import InputError
from ..evaluation.record import open_record, read_record
from ..imagery import Bands
from ..settings.load import is_distillation, load_config
from ..weights_file import load_checkpoint_file
from .predictor import Predictor, onnx_predictor, torch_predictor
from .student.student import Student, provenance
from .student.timm_backbone import from_timm
from .student_data import ModelFacts

EXPORTED = 'student.pth'


def find_student(source: str | Path, config: str | None = None, teacher: str | None = None) -> tuple[Student, Config]:
    """Loads a student, and the config of its run or export.

    Args:
        source: A run directory (its last checkpoint is used), an exported directory, or a checkpoint; a checkpoint's
            config is searched for beside it and one folder up.
        config: Config of a checkpoint that has none there.
        teacher: A teacher's checkpoint; loads that teacher instead, under the run's config.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    init_default_scope('mmseg')  # a Runner would do so, but none is needed here
    checkpoint = _checkpoint(Path(source))
    path = config or _config_of(checkpoint)
    read = load_config(path)
    if not isinstance(read.get('model'), Mapping):
        raise InputError(f'config {path} has no model; name that of a run or of an export with --config')
    taken = Path(teacher) if teacher else checkpoint
    alone = Config(read.to_dict())  # leave_alone replaces the model in it
    weights = leave_alone(alone, str(taken), teacher is not None)
    meta = _meta(checkpoint)
    classes, palette = _classes(meta, checkpoint)
    known = meta.get('provenance') or provenance(taken, record_of(checkpoint), meta.get('teacher_sha256'))
    bands = Bands.of(meta.get('dataset_meta'))
    return from_timm(Student(alone.model, weights, classes, palette, known, taken, bands)), read


def last_checkpoint(run: Path) -> Path | None:
    """Returns the last checkpoint of a run, the one that its verdict judges; None if there is none.

    The best checkpoint, ``checkpoints/best_mIoU_*.pth``, was chosen on the data that scores it; name it to use it.
    """
    iterations = (read_record(run / 'result.json') or {}).get('epochs') or [{}]
    epoch, step = iterations[-1].get('epoch'), iterations[-1].get('iter')
    found = resumable(run, max(1, step // epoch) if epoch and step else 1)
    return found[0][1] if found else None


def leave_alone(config: Config, checkpoint: str, teacher: bool) -> dict[str, Any]:
    """Reduces a config to the one model that is scored, and returns its weights: a student needs no teacher."""
    weights, _ = read_teacher(checkpoint)
    if is_distillation(config):
        model = config.model.teacher if teacher else config.model.architecture
        if not model.get('data_preprocessor'):
            model.data_preprocessor = config.model.data_preprocessor
        config.model = model
    student = {
        key.removeprefix('architecture.'): value for key, value in weights.items() if key.startswith('architecture.')
    }
    return student or dict(weights)


def model_facts(checkpoint: Path) -> ModelFacts | None:
    """Returns the classes and bands of a checkpoint's model; None if it does not record them."""
    known = _meta(checkpoint).get('dataset_meta') or _meta(checkpoint)
    classes = known.get('classes')
    return ModelFacts(tuple(classes), Bands.of(known)) if classes else None


def _checkpoint(source: Path) -> Path:
    if not source.exists():
        raise InputError(f'{source} does not exist; name a run directory, an exported directory or a checkpoint')
    if source.is_file():
        return source
    found = last_checkpoint(source) or (source / EXPORTED if (source / EXPORTED).is_file() else None)
    if found is None:
        raise InputError(f'{source} has neither a checkpoint in checkpoints nor {EXPORTED}; name a checkpoint in it')
    return found


def _config_of(checkpoint: Path) -> Path:
    for folder in (checkpoint.parent, checkpoint.absolute().parent.parent):
        if (folder / 'config.py').is_file():
            return folder / 'config.py'
    raise InputError(f'{checkpoint} has no config.py beside it or one folder up; name its config with --config')


def record_of(source: Path) -> dict[str, Any] | None:
    """Reads the record of the run of a run directory or of a checkpoint in it; None if there is none."""
    path = source / 'result.json' if source.is_dir() else source.absolute().parent.parent / 'result.json'
    return open_record(path) if path.is_file() else None


def _meta(checkpoint: Path) -> dict[str, Any]:
    content = load_checkpoint_file(checkpoint)
    found = content.get('meta') if isinstance(content, Mapping) else None
    return {**(found or {}), 'teacher_sha256': content.get('teacher_sha256') if found else None}


def _classes(meta: Mapping[str, Any], checkpoint: Path) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    known = meta.get('dataset_meta') or meta  # the header of a .safetensors has them at its top level
    if not known.get('classes') or not known.get('palette'):
        raise InputError(f'checkpoint {checkpoint} does not say its classes and palette (meta.dataset_meta)')
    palette = tuple((int(r), int(g), int(b)) for r, g, b in known['palette'])
    return tuple(known['classes']), palette


def load_predictor(model: str, config: str | None = None) -> Predictor:
    """Loads the model that a user names: a run or exported directory, a checkpoint, or an ONNX file.

    Raises:
        InputError: The model is missing or cannot be read.
    """
    graph = Path(model) / 'student.onnx'
    if graph.is_file() and not (Path(model) / EXPORTED).is_file():  # what `export onnx` wrote
        model = str(graph)
    if Path(model).suffix == '.onnx':
        if not Path(model).is_file():
            raise InputError(f'{model} does not exist; name a run directory, a checkpoint or an ONNX file')
        return onnx_predictor(Path(model), torch.get_num_threads())
    return torch_predictor(find_student(model, config)[0])
