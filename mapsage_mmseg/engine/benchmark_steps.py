"""Training steps that a benchmark compares, all on one batch."""

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.distillers.fitting import fit_levels
from ..models.losses.fused_kl import fused_kl
from ..models.segmentors.frozen_teacher import freeze_teacher
from .hooks.compile_hook import compile_forwards
from .runs.flops import crop_size
from .teachers.cache_plan import STRIDE

Step = Callable[[], Any]
SWITCHES = ('amp', 'channels_last', 'amp_channels_last', 'compile', 'accumulate2', 'workers0', 'workers1', 'workers2')


def make_batch(batch_size: int, size: int, classes: int) -> dict[str, list]:
    """Makes random images and labels, in the form of a data loader's batch."""
    generator = torch.Generator().manual_seed(0)
    meta = dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size))
    images = [torch.randint(0, 256, (3, size, size), dtype=torch.uint8, generator=generator) for _ in range(batch_size)]
    labels = [torch.randint(0, classes, (1, size, size), generator=generator) for _ in range(batch_size)]
    samples = [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label)) for label in labels]
    return dict(inputs=images, data_samples=samples)


def make_steps(config: Config, batch_size: int, size: int, device: str) -> dict[str, Step]:
    """Builds the benchmark steps, by name.

    ``student``: the student alone, as in stock MMSegmentation. ``teacher``: the teacher's forward without gradients.
    ``phase1``, ``phase2``: the config's first and last phase. ``phase2_half``: the last phase with the teacher in
    bfloat16. ``cached``: the task and the logits alone, with the teacher's logits in the batch, as a teacher cache
    provides them; left out if there is no level ``distill``. ``mmrazor``: mmrazor's own SingleTeacherDistill with the
    same pair and its closest losses: KL, L2 of four features through connectors, activation attention.

    Args:
        config: The config of a distillation. Its weights are random, which does not change the timing.
        batch_size, size: Images in the batch, and their side in pixels.
        device: ``'cpu'`` or ``'cuda'``.
    """
    config = _sized(config, size)
    batch = make_batch(batch_size, size, config.model.architecture.decode_head.num_classes)
    first, last = (config.default_hooks.phases.phases[i].weights for i in (0, -1))
    steps = dict(
        student=_training(_on(device, _student(config)), config, batch),
        teacher=_forward(_on(device, MODELS.build(config.model.teacher)), batch),
        phase1=_training(_distillation(config, device, first), config, batch),
        phase2=_training(_distillation(config, device, last), config, batch),
        phase2_half=_training(_distillation(config, device, last, 'bfloat16'), config, batch),
        mmrazor=_training(_on(device, MODELS.build(mmrazor_config(config))), config, batch),
    )
    if config.model.distiller.levels.get('distill'):
        steps['cached'] = _training(*_cached(config, device, last, batch))
    return steps


def make_kl(batch_size: int, size: int, classes: int, device: str) -> dict[str, Step]:
    """Builds forward and backward of the KL between random logits (N, classes, size, size), at T = 4.

    ``plain`` leaves the gradient to autograd, ``fused`` is :func:`fused_kl`.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (batch_size, classes, size, size)
    student, teacher = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
    mask = torch.ones((batch_size, 1, size, size), device=device)
    student.requires_grad_()

    def step(form: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> Step:
        return lambda: torch.autograd.grad(form(student, teacher, mask, 4.0), student)

    return dict(plain=step(_plain_kl), fused=step(fused_kl))


def _plain_kl(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float) -> Tensor:
    log_s, log_t = (F.log_softmax(logits / temperature, dim=1) for logits in (student, teacher))
    return ((log_t.exp() * (log_t - log_s)).sum(dim=1, keepdim=True) * mask).sum()


def make_switched(config: Config, batch_size: int, size: int, device: str, switches: Sequence[str]) -> dict[str, Step]:
    """Builds ``phase2`` and its step under each of the given switches, by name.

    ``accumulate2`` makes one update from two batches of half the size. ``workers<n>`` takes its batches from the
    config's own data, loaded by n processes (0: by this one).

    Args:
        config, batch_size, size, device: As for :func:`make_steps`.
        switches: Names from ``SWITCHES``.
    """
    config = _sized(config, size)
    batch = make_batch(batch_size, size, config.model.architecture.decode_head.num_classes)
    last = config.default_hooks.phases.phases[-1].weights
    steps = dict(phase2=_training(_distillation(config, device, last), config, batch))
    for switch in switches:
        settings = copy.deepcopy(config)
        model: Any = _distillation(settings, device, last)
        if 'channels_last' in switch:
            for part in (model, model.teacher):
                part.to(memory_format=torch.channels_last)
        if 'amp' in switch:
            settings.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')
        if switch == 'compile':
            compile_forwards(model, dynamic=False)
        if switch == 'accumulate2':
            settings.optim_wrapper.accumulative_counts = 2
            halves = [{key: items[half::2] for key, items in batch.items()} for half in (0, 1)]
            steps[switch] = _twice(_over(model, settings, itertools.cycle(halves)))
        elif switch.startswith('workers'):
            steps[switch] = _over(model, settings, _loaded(settings, batch_size, int(switch.removeprefix('workers'))))
        else:
            steps[switch] = _training(model, settings, batch)
    return steps


def _sized(config: Config, size: int) -> Config:
    init_default_scope(config.get('default_scope', 'mmseg'))
    config = copy.deepcopy(config)
    config.data_preprocessor.size = config.model.data_preprocessor.size = (size, size)
    config.model.teacher.data_preprocessor = config.model.data_preprocessor
    return config


def _loaded(config: Config, batch_size: int, workers: int) -> Iterator[dict[str, list]]:
    loader = dict(config.train_dataloader, sampler=dict(type='SeededSampler', infinite=True))
    loader.update(batch_size=batch_size, num_workers=workers, persistent_workers=workers > 0)
    return iter(Runner.build_dataloader(loader, seed=0))


def _on(device: str, model: nn.Module) -> nn.Module:
    return model.to(device) if device != 'cpu' else revert_sync_batchnorm(model)


def _student(config: Config) -> nn.Module:
    return MODELS.build(dict(config.model.architecture, data_preprocessor=config.model.data_preprocessor))


def _distillation(config: Config, device: str, weights: dict, dtype: str | None = None) -> nn.Module:
    model: Any = _on(device, MODELS.build(dict(config.model, teacher_dtype=dtype)))
    _on(device, model.build_teacher())
    freeze_teacher(model, crop_size(model))
    model.set_loss_weights(weights)
    return model


def _cached(config: Config, device: str, weights: Mapping, batch: dict) -> tuple[nn.Module, Config, dict]:
    """Returns model, config and batch of a step with the task and the logits, the latter from the batch."""
    model: Any = _distillation(config, device, {term: weights[term] for term in ('task', 'distill')})
    model.cached_sources = {str(source): STRIDE for source in model.distiller.levels['distill'].teacher}
    return model, config, with_maps(batch, model.cached_sources, config.model.architecture.decode_head.num_classes)


def with_maps(batch: dict[str, list], sources: Iterable[str], classes: int) -> dict[str, list]:
    """Returns a batch with random teacher logits added, as a replayed pipeline provides them."""
    generator, samples = torch.Generator().manual_seed(1), copy.deepcopy(batch['data_samples'])
    for image, sample in zip(batch['inputs'], samples, strict=True):
        grid = [-(-side // STRIDE) for side in image.shape[-2:]]
        maps = {source: torch.randn((classes, *grid), generator=generator).half() for source in sources}
        sample.set_data(dict(teacher_maps=BaseDataElement(**maps)))
    return dict(inputs=batch['inputs'], data_samples=samples)


def _training(model: Any, config: Config, batch: dict) -> Step:
    return _over(model, config, itertools.repeat(batch))


def _over(model: Any, config: Config, batches: Iterator[dict]) -> Step:
    wrapper = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
    model.train()
    return lambda: model.train_step(next(batches), wrapper)


def _twice(step: Step) -> Step:
    return lambda: (step(), step())


def _forward(model: Any, batch: dict) -> Step:
    model.eval()

    def step() -> None:
        with torch.no_grad():
            data = model.data_preprocessor(batch, False)
            model(data['inputs'], mode='tensor')

    return step


def mmrazor_config(config: Config) -> dict[str, Any]:
    """Returns the model config of the same pair under mmrazor's own algorithm."""
    levels = fit_levels(config.model.distiller.levels, MODELS.build(config.model.architecture))
    scales, logits = [f'backbone:{i}' for i in range(4)], 'decode_head.conv_seg'
    recorder = {
        'logits': dict(type='mmrazor.ModuleOutputs', source=logits),
        'features': dict(type='mmrazor.ModuleOutputs', source='backbone'),
    }
    connectors = {f'scale{i}': dict(connector) for i, connector in enumerate(levels['feature']['connector'])}

    def pair(source: str, index: int | None, connector: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        found: dict[str, Any] = dict(recorder=source) if index is None else dict(recorder=source, data_idx=index)
        student = dict(from_student=True, **found)
        if connector:
            student['connector'] = connector
        return student, dict(from_student=False, **found)

    losses = {'loss_kl': dict(type='mmrazor.KLDivergence', tau=4.0), 'loss_attention': dict(type='mmrazor.ATLoss')}
    mappings = {}
    student, teacher = pair('logits', None)
    mappings['loss_kl'] = dict(preds_S=student, preds_T=teacher)
    student, teacher = pair('features', 3)
    mappings['loss_attention'] = dict(s_feature=student, t_feature=teacher)
    for i in range(len(scales)):
        losses[f'loss_scale{i}'] = dict(type='mmrazor.L2Loss', normalize=False)
        student, teacher = pair('features', i, f'scale{i}')
        mappings[f'loss_scale{i}'] = dict(s_feature=student, t_feature=teacher)
    return dict(
        type='mmrazor.SingleTeacherDistill',
        data_preprocessor=config.model.data_preprocessor,
        architecture=config.model.architecture,
        teacher=config.model.teacher,
        distiller=dict(
            type='mmrazor.ConfigurableDistiller',
            student_recorders=copy.deepcopy(recorder),
            teacher_recorders=copy.deepcopy(recorder),
            distill_losses=losses,
            connectors=connectors,
            loss_forward_mappings=mappings,
        ),
    )
