"""Files of trained teachers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...errors import InputError
from ...weights_file import file_digest, load_checkpoint_file
from ...whole_file import whole_file


@dataclass(frozen=True)
class TeacherCard:
    """Facts about a teacher's file and its content, from the checkpoint's meta and the file itself.

    Attributes:
        mIoU: Its recorded validation score in percent, or None.
        sha256: SHA-256 of the file.
        params_m: Parameters in millions.
        path: Path of the file.
        data: Key of the data that it was scored on, or None.
        classes: Names of its classes in order; empty if they were not recorded.
        normalisation: What its data preprocessor does to pixels, or None if it was not recorded; see
            :func:`~mapsage_mmseg.models.normalisation.normalisation`.
    """

    mIoU: float | None
    sha256: str
    params_m: float
    path: str
    data: str | None
    classes: tuple[str, ...] = ()
    normalisation: Mapping[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Returns the card as it is in a run's record."""
        return {key: getattr(self, key) for key in ('mIoU', 'sha256', 'params_m', 'path')}


def teacher_file(root: str | Path, key: str) -> Path:
    """Returns the path of the teacher with that key."""
    return Path(root) / 'teachers' / key / 'teacher.pth'


def key_of_file(path: str | Path) -> str | None:
    """Returns the key of a teacher whose path is that of :func:`teacher_file`; None for a file from elsewhere."""
    key = Path(path).parent.name
    return key if Path(path).parts[-3:] == teacher_file('', key).parts else None


def read_teacher(path: str | Path) -> tuple[dict[str, torch.Tensor], TeacherCard]:
    """Reads a teacher's checkpoint, a ``.pth`` or a ``.safetensors``: its weights, unwrapped, and its card.

    Entries of the card with a wrong type are ignored. Class names are also read from MMEngine's own checkpoints.

    Raises:
        InputError: The file cannot be read, would execute code, or holds anything but names and tensors.
    """
    checkpoint = load_checkpoint_file(str(path))
    if not isinstance(checkpoint, Mapping):
        raise InputError(f'teacher {path} holds {type(checkpoint).__name__}, not a checkpoint with a state_dict')
    weights: Any = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f'teacher {path}: its state_dict is {type(weights).__name__}, not names and tensors')
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise InputError(f'teacher {path}: its state_dict has {type(tensor).__name__} for {name!r}, no tensor')
    meta = checkpoint.get('meta')
    score, data, found = (_of(meta, key) for key in ('mIoU', 'data_key', 'normalisation'))
    size = sum(tensor.numel() for tensor in weights.values()) / 1e6
    card = TeacherCard(
        mIoU=float(score) if isinstance(score, int | float) else None,
        sha256=file_digest(path),
        params_m=round(size, 3),
        path=str(path),
        data=data if isinstance(data, str) else None,
        classes=_names(_of(meta, 'classes')) or _names(_of(_of(meta, 'dataset_meta'), 'classes')),
        normalisation=found if isinstance(found, Mapping) else None,
    )
    return dict(weights), card


def _of(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, Mapping) else None


def _names(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value) else ()


def write_teacher(path: str | Path, weights: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> Path:
    """Writes a teacher's weights and meta where runs look for them, atomically."""
    with whole_file(path) as file:
        torch.save(dict(state_dict=dict(weights), meta=dict(meta)), file)
    return Path(path)
