"""A student for deployment: the model alone, its weights, its classes, and its provenance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS
from torch import Tensor

from ...imagery import Bands
from ...weights_file import file_digest, load_whole

_EPOCH = re.compile(r'(epoch|iter)_(\d+)')
SCORES = ('mIoU', 'aAcc', 'boundary_f1', 'task_loss', 'teacher_agreement', 'IoU')


@dataclass(frozen=True)
class Student:
    """A student without its run.

    Attributes:
        model: Config of the model, a segmentor of MMSegmentation.
        weights: State dict of the model.
        classes: Names in the order of the class numbers.
        palette: (R, G, B), 0 to 255, per class.
        provenance: Where it comes from, as :func:`provenance` returns it.
        checkpoint: The file that it was read from.
        bands: Bands of an image that it takes; None for red, green and blue of 8 bits.
    """

    model: ConfigDict
    weights: Mapping[str, Tensor]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    provenance: Mapping[str, Any]
    checkpoint: Path
    bands: Bands | None = None

    def build(self) -> Any:
        """Builds the segmentor with its weights, in eval mode, on the CPU.

        Raises:
            InputError: The weights do not fit the config.
        """
        model = revert_sync_batchnorm(MODELS.build(self.model))
        load_whole(model, self.weights, f'checkpoint {self.checkpoint} does not fit the config')
        return model.eval()


def provenance(checkpoint: Path, record: Mapping[str, Any] | None, teacher_sha256: str | None) -> dict[str, Any]:
    """Collects the known facts about where a student comes from.

    Args:
        checkpoint: Its file.
        record: Record of its run, or None.
        teacher_sha256: SHA-256 of its teacher, from the checkpoint, or None.

    Returns:
        ``checkpoint_sha256``; from the record ``experiment``, ``config``, ``commit``, ``seed``, ``device``,
        ``versions``, ``data`` {name, key}, ``params_m``, ``teacher`` {mIoU, sha256, params_m} or None, and of the
        validation at that checkpoint ``epoch`` and ``scores`` (percent; task_loss in nats).
    """
    found: dict[str, Any] = dict(checkpoint_sha256=file_digest(checkpoint))
    if teacher_sha256:
        found['teacher'] = dict(sha256=teacher_sha256)
    if record is None:
        return found
    entry = _entry(checkpoint, record)
    val = entry.get('val') or {}
    teacher = record['teacher'] and {key: record['teacher'].get(key) for key in ('mIoU', 'sha256', 'params_m')}
    return dict(
        found,
        experiment=record['experiment'],
        config=record.get('config'),
        commit=record.get('git_commit'),
        seed=record['seed'],
        device=record.get('device'),
        versions=dict(record.get('versions') or {}),
        data={key: record['dataset'].get(key) for key in ('name', 'key')},
        params_m=record['student'].get('params_m'),
        teacher=teacher,
        epoch=entry.get('epoch'),
        scores={key: val[key] for key in SCORES if val.get(key) is not None},
    )


def _entry(checkpoint: Path, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the record's entry for the epoch or iteration in a checkpoint's name; empty if there is none."""
    match = _EPOCH.search(checkpoint.name)
    key, number = ('iter' if match[1] == 'iter' else 'epoch', int(match[2])) if match else ('epoch', None)
    return next((entry for entry in record['epochs'] if entry.get(key) == number), {})
