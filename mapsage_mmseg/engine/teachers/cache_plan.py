"""Contents of a teacher cache, and a check that it saves teacher forwards."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from torch import Tensor

from ...datasets.transforms.map_store import MapKind
from ...datasets.transforms.replayed_pipeline import Replay
from ...errors import InputError
from ...models.losses import LogitKLLoss
from ...models.normalisation import channels
from ...models.segmentors.multi_level_distill import last_head
from ..runs.flops import crop_size
from .keys import data_key, unlabelled_key

VERSION = 1  # of the content of a record
STRIDE = 4  # of stored logits
MULTIPLE = 32  # whole images are padded to multiples of it, as in validation: the coarsest stride of these backbones


def kept_maps(model: Any) -> tuple[tuple[str, ...], dict[str, MapKind]]:
    """Runs the teacher once on zeros, to see what its sources record.

    Args:
        model: A :class:`MultiLevelDistill` with its teacher and with ``teacher_cache``.

    Returns:
        The levels that the cache serves, and the kind of map stored for each of their sources.

    Raises:
        InputError: A level cannot be stored; the message names it.
    """
    settings, distiller = model.teacher_cache, model.distiller
    height, width = (-(-side // MULTIPLE) * MULTIPLE for side in crop_size(model))
    device = next(model.student.parameters()).device
    zeros = torch.zeros((1, channels(model.data_preprocessor), height, width), device=device)
    try:
        model.run_teacher(zeros, None, distiller.levels)
        records = distiller.records('teacher', distiller.levels)
    finally:
        distiller.forget()
    classes = last_head(model.student).num_classes
    names = settings.levels or tuple(
        name for name in distiller.levels if all(_is_logits(found, classes) for found in _of(model, name, records))
    )
    if not names:
        raise InputError(
            f'model.teacher_cache: no level compares logits of {classes} classes; name the levels to keep: '
            "model.teacher_cache=dict(keep='float16', levels=[...])"
        )
    kinds = {}
    for name in names:
        for source, record in zip(distiller.levels[name].teacher, _of(model, name, records), strict=True):
            stride = STRIDE if _is_logits(record, classes) else _stride(record, (height, width))
            if stride is None:
                raise InputError(
                    f'model.teacher_cache.levels: {name} cannot be kept: its teacher source {str(source)!r} records '
                    f'{tuple(record.shape)} of an image of {height} x {width}, no map that moves with its pixels'
                )
            if settings.top:
                _check_top(model, name, settings.keep, record.shape[1], classes)
            kinds[str(source)] = MapKind(record.shape[1], stride, settings.top)
    return names, kinds


def _of(model: Any, name: str, records: dict[str, Tensor]) -> list[Tensor]:
    return [records[str(source)] for source in model.distiller.levels[name].teacher]


def _is_logits(record: Tensor, classes: int) -> bool:
    return record.ndim == 4 and record.shape[1] == classes


def _stride(record: Tensor, size: tuple[int, int]) -> int | None:
    if record.ndim != 4 or any(side % cells for side, cells in zip(size, record.shape[-2:], strict=True)):
        return None
    down, over = (side // cells for side, cells in zip(size, record.shape[-2:], strict=True))
    return down if down == over and MULTIPLE % down == 0 else None


def _check_top(model: Any, name: str, keep: str, channels: int, classes: int) -> None:
    loss = model.distiller.distill_losses[f'loss_{name}']
    if not isinstance(loss, LogitKLLoss) or channels != classes:
        raise InputError(
            f'model.teacher_cache: {keep!r} keeps probabilities, which serve LogitKLLoss; levels.{name} has '
            f"{type(loss).__name__} of {channels} channels: keep 'float16'"
        )
    if model.teacher_cache.top >= classes:
        raise InputError(f"model.teacher_cache={keep!r} is no less than all {classes} classes: keep 'float16'")


def content(
    config: Config, dataset: BaseDataset, replay: Replay, kinds: Mapping[str, MapKind], sha256: str
) -> dict[str, Any]:
    """Returns everything that a cache depends on: the same content gives the same records.

    Args:
        config: The run's config.
        dataset: The training data.
        replay: The replay of its pipeline.
        kinds: The kind of map stored for each source.
        sha256: SHA-256 of the teacher's file.
    """
    # Not by the data set's own get_data_info, which may generate a scene.
    paths = [Path(BaseDataset.get_data_info(dataset, i)['img_path']) for i in range(len(dataset))]
    preprocessor = config.model.get('data_preprocessor') or config.get('data_preprocessor') or {}
    return dict(
        version=VERSION,
        teacher=sha256,
        architecture={key: value for key, value in config.model.teacher.items() if key != 'data_preprocessor'},
        dtype=config.model.get('teacher_dtype'),
        preprocessor={key: value for key, value in preprocessor.items() if key != 'size'},  # the size is the crop's
        data=data_key(config, ('train_dataloader',)),
        images=[(path.name, path.stat().st_size if path.is_file() else None) for path in paths],
        whole=[config.train_dataloader.dataset.pipeline[position] for position in replay.whole],
        kept={source: asdict(kind) for source, kind in kinds.items()},
        **({'unlabelled': extra} if (extra := unlabelled_key(config)) else {}),
    )


def check_phases(runner: Runner, model: Any, served: Iterable[str]) -> None:
    """Logs in which phases the teacher is skipped and in which it still runs.

    Raises:
        InputError: It is skipped in none.
    """
    served = set(served)
    phases = [
        (phase.name, [name for name in model.distiller.levels if phase.weights.get(name, 0.0) > 0])
        for hook in runner.hooks
        for phase in getattr(getattr(hook, 'schedule', None), 'phases', ())
    ] or [('training', model.active_levels)]
    live = [(name, [level for level in levels if level not in served]) for name, levels in phases if levels]
    others = ', '.join(dict.fromkeys(level for _, levels in live for level in levels))
    if all(levels for _, levels in live):
        raise InputError(
            f'model.teacher_cache keeps {", ".join(sorted(served))} and would save nothing: wherever that counts, the '
            f'teacher runs for {others or "nothing"} too. Switch it off, as in model.distiller.levels.attention=None; '
            "what is a map can be kept as well: model.teacher_cache=dict(keep='float16', levels=['distill', 'feature'])"
        )
    for name, levels in live:
        if levels:
            runner.logger.warning(
                f'Teacher cache: in phase {name} the teacher runs for {", ".join(levels)}; there every level is '
                'recorded live, and the cache saves nothing'
            )
        else:
            runner.logger.info(f'Teacher cache: in phase {name} the teacher does not run')
