"""Files with the weights of a student: for torch, and as safetensors."""

import json
from pathlib import Path

import torch

from ...errors import InputError
from ...whole_file import whole_file
from .student import Student

INSTALL = "pip install 'mapsage_mmseg[deploy]'"


def write_weights(student: Student, folder: Path) -> list[Path]:
    """Writes ``student.pth`` and ``student.safetensors``, each atomically.

    Both hold classes, palette and provenance beside the weights: the ``.pth`` as plain values, which
    ``torch.load(weights_only=True)`` reads, the other as JSON in its header.

    Returns:
        Their paths.

    Raises:
        InputError: safetensors is not installed.
    """
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise InputError(f'safetensors is not installed: {INSTALL}') from error
    weights = {key: value.detach().cpu().contiguous() for key, value in student.weights.items()}
    palette = [list(colour) for colour in student.palette]
    with whole_file(folder / 'student.pth') as file:
        meta = dict(
            dataset_meta=dict(classes=student.classes, palette=palette, name=data_name(student)),
            provenance=dict(student.provenance),
        )
        torch.save(dict(meta=meta, state_dict=weights), file)
    header = dict(classes=student.classes, palette=palette, provenance=student.provenance)
    with whole_file(folder / 'student.safetensors') as file:
        file.write(save(weights, {'format': 'pt', **{key: json.dumps(value) for key, value in header.items()}}))
    return [folder / 'student.pth', folder / 'student.safetensors']


def data_name(student: Student) -> str:
    """Returns the name of the data that a student was trained on."""
    return (student.provenance.get('data') or {}).get('name') or 'tiles'
