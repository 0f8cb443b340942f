"""Dry run: a few iterations of every phase of a config and a small validation, without keeping anything."""

import resource
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from ..datasets.sampler import epoch_size
from ..evaluation.dry_run import estimate_seconds
from ..evaluation.knowledge import TeacherKnowledge, recorded_knowledge
from ..schedules import Clock, PhaseSchedule
from .hooks.dry_run_hook import DryRunHook
from .tool_runner import ToolRunner

SHORT = 6  # iterations of every phase but the last


@dataclass(frozen=True)
class DryRun:
    """Results of a dry run.

    Attributes:
        phase: Name of the last phase.
        weights: Weight of every term in the last phase.
        steps: Logged values of each of its iterations.
        scores: Validation metrics on the sample.
        sample, validation: Number of images in the sample, and in the whole validation data.
        classes: Names of the classes.
        teacher: The teacher's card, as in a record.
        iterations: Iterations of the whole run.
        seconds: Expected duration of the whole run.
        gib: Peak memory in GiB: of the GPU, or of this process if there is none.
        knowledge: The teacher's loss on its training images and on others; None if unknown.
    """

    phase: str
    weights: dict[str, float]
    steps: list[dict[str, float]]
    scores: dict[str, float]
    sample: int
    validation: int
    classes: list[str]
    teacher: dict[str, Any]
    iterations: int
    seconds: float
    gib: float
    knowledge: TeacherKnowledge | None = None


def dry_run(config: Config, iterations: int, images: int) -> DryRun:
    """Runs the last phase for ``iterations`` iterations and the others for a few, and validates on ``images`` images.

    Args:
        config: A distillation whose teacher exists; changed in place.
        iterations: Iterations of the last phase.
        images: Number of validation images, evenly spread over the data.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    train, validation = (_dataset(config[loader]) for loader in ('train_dataloader', 'val_dataloader'))
    lengths, per_epoch, validations = _whole_run(config, train)
    if len(validation) > images:
        chosen = np.linspace(0, len(validation) - 1, images).round().astype(int).tolist()
        config.val_dataloader.dataset.indices = chosen
    phases = config.default_hooks.phases.phases
    _strip(config, [SHORT] * (len(phases) - 1) + [iterations], per_epoch)
    with tempfile.TemporaryDirectory(prefix='dry_run_') as folder:
        config.work_dir = folder
        runner = ToolRunner.from_cfg(config)
        runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, DryRunHook))
    phase, sample = hook.schedule.phases[-1], len(runner.val_dataloader.dataset)
    one_validation = hook.validation_seconds / sample * len(validation)
    teacher = runner.message_hub.get_info('distill/teacher')
    return DryRun(
        phase=phase.name,
        weights={term: phase.weights.get(term, 0.0) for term in ('task', *runner.model.distiller.levels)},
        steps=hook.steps[-1],
        scores=hook.scores,
        sample=sample,
        validation=len(validation),
        classes=list(train.metainfo.get('classes', ())),
        teacher=teacher,
        iterations=sum(lengths),
        seconds=estimate_seconds(lengths, hook.seconds, validations, one_validation),
        gib=_peak_gib(),
        knowledge=recorded_knowledge(dict(teacher=teacher)),
    )


def planned_iterations(config: Config) -> list[int]:
    """Returns the iterations of each phase in a config's whole run."""
    init_default_scope(config.get('default_scope', 'mmseg'))
    return _whole_run(config, _dataset(config.train_dataloader))[0]


def _dataset(loader: Mapping[str, Any]) -> BaseDataset:
    return DATASETS.build(loader['dataset'])


def _whole_run(config: Config, train: BaseDataset) -> tuple[list[int], int, int]:
    """Returns the iterations of each phase, the iterations of an epoch, and the number of validations."""
    loop, settings = config.train_cfg, config.default_hooks.phases
    loader = config.train_dataloader
    samples = max(epoch_size(train), (loader.get('sampler') or {}).get('at_least', 0))
    per_epoch, rest = divmod(samples, loader.get('batch_size', 1))
    per_epoch += bool(rest and not loader.get('drop_last'))
    total, interval = loop.get('max_iters'), loop.get('val_interval', 1)
    if total is None:
        total, interval = loop.max_epochs * per_epoch, interval * per_epoch
    else:
        per_epoch = settings.get('iters_per_epoch') or per_epoch
    schedule = PhaseSchedule(settings.phases)
    lengths = [0] * len(schedule.phases)
    for moment in range(total):
        lengths[schedule.index(Clock(moment, total, per_epoch))] += 1
    return lengths, per_epoch, total // interval


def _strip(config: Config, counts: list[int], per_epoch: int) -> None:
    """Keeps the hooks that affect a step, and replaces all other hooks and schedules by the dry run's."""
    hooks = config.default_hooks
    recorder = dict(type='DryRunHook', phases=hooks.phases.phases, iterations=counts)
    temperature = {'temperature': dict(hooks.temperature, iters_per_epoch=per_epoch)} if 'temperature' in hooks else {}
    for name in set(hooks) - {'seed', 'teacher', 'timer'}:
        hooks.pop(name)
    hooks.update(checkpoint=None, logger=None, dry_run=recorder, **temperature)
    config.train_cfg = dict(type='ResumableIterTrainLoop', max_iters=sum(counts), val_interval=sum(counts))
    config.train_dataloader.sampler = dict(type='SeededSampler', infinite=True)
    config.param_scheduler = None
    config.visualizer.vis_backends = []
    config.load_from, config.resume, config.log_level = None, False, 'ERROR'


def _peak_gib() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
