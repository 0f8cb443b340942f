"""Rehearsal: one step of every part of a run before it begins."""

import copy
import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_world_size
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from mmseg.registry import HOOKS
from torch.utils.data import Dataset

from ..errors import InputError, RunStopped, message_of
from ..evaluation.record import summarise
from ..imagery import open_raster
from ..models.segmentors.probe import probe_levels
from ..weights_file import read_allowed
from .hooks.record_hook import val_entry
from .runner_model import model_of
from .runs.facts import check_fits
from .runs.flops import crop_size
from .teachers.cache import replay_of
from .tool_runner import ToolRunner

MEASURED = 2000  # validation images whose headers are read, at most, to find the smallest and the largest
ALONE = 'Expected more than 1 value per channel'
TWO_IMAGES = (
    '; a batch norm over maps that are pooled to one pixel needs two images a step: raise train_dataloader.batch_size'
)
SINGLETONS = (MMLogger, MessageHub, DefaultScope, Visualizer)  # MMEngine keeps every instance of these by name


def rehearse(config: Config, role: str) -> float:
    """Builds a run's model and data as the run would, and executes every part once, without keeping anything.

    The parts are a training batch, the smallest and the largest validation image, every metric, an entry of the record,
    and a checkpoint in memory.

    Args:
        config: The run's config, with all changes of the command line; not modified.
        role: What the run trains, for messages: ``'teacher'`` or ``'student'``.

    Returns:
        The duration in seconds.

    Raises:
        InputError: A part fails; the message names the part of the run that it would have ended.
    """
    began = time.perf_counter()
    with _generators_kept(), _instances_kept(), tempfile.TemporaryDirectory(prefix='rehearsal_') as folder:
        runner = _build(config, folder, role)
        steps = _train(runner, role)
        scores = _validate(runner, role)
        with _told(role, 'the record'):
            entry = dict(summarise(steps, {'task': 1.0}), val=val_entry(scores))
            json.dumps(entry)
        with _told(role, 'a checkpoint'):
            _save(runner)
        del runner
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return time.perf_counter() - began


@contextmanager
def _told(role: str, what: str) -> Iterator[None]:
    """Raises any error as an InputError; an unexpected one names the part of the run that it would have ended."""
    try:
        yield
    except RunStopped:
        raise
    except InputError as error:
        raise InputError(message_of(error)) from error
    except Exception as error:  # modules of a config may raise anything, and a run would end by it
        reason = (str(error).splitlines() or [''])[0][:300]
        hint = TWO_IMAGES if ALONE in reason else ''
        raise InputError(
            f'rehearsal: {what} of the {role} fails: {type(error).__name__}: {reason}{hint} (--debug shows where)'
        ) from error


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Restores the random number generators afterwards, as if nothing had been drawn."""
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)


@contextmanager
def _instances_kept() -> Iterator[None]:
    """Restores MMEngine's named instances afterwards, so that later lines go to the right log."""
    before = [(kind, kind._instance_dict.copy()) for kind in SINGLETONS]
    try:
        yield
    finally:
        for kind, instances in before:
            kind._instance_dict.clear()
            kind._instance_dict.update(instances)


def _build(config: Config, folder: str, role: str) -> Runner:
    config = copy.deepcopy(config)
    hooks = {f'default_hooks.{name}': hook for name, hook in config.get('default_hooks', {}).items()}
    hooks.update({f'custom_hooks[{index}]': hook for index, hook in enumerate(config.get('custom_hooks') or ())})
    config.update(work_dir=folder, resume=False, load_from=None, log_level='ERROR', experiment_name=f'rehearsal_{role}')
    config.default_hooks = dict.fromkeys(
        ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
    )
    config.custom_hooks = None
    config.visualizer = dict(type='Visualizer', vis_backends=[], name=f'rehearsal_{role}')
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if config.get(name):
            config[name].update(num_workers=0, persistent_workers=False)
            config[name].pop('prefetch_factor', None)
    with _told(role, 'building the model'):
        runner = ToolRunner.from_cfg(config)
    for name, hook in hooks.items():
        if isinstance(hook, Mapping):
            with _told(role, name):
                HOOKS.build(copy.deepcopy(hook))
    with _told(role, 'building the data'):
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        runner._val_loop = runner.build_val_loop(runner._val_loop)
    with _told(role, 'building the optimizer'):
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.scale_lr(runner.optim_wrapper, runner.auto_scale_lr)
        if runner.param_schedulers is not None:
            runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        if isinstance(runner.optim_wrapper, OptimWrapper):
            runner.optim_wrapper.initialize_count_status(runner.model, 0, runner._train_loop.max_iters)
    return runner


def _train(runner: Runner, role: str) -> dict[str, list[float]]:
    """Returns the logged values of one step on a real batch."""
    model = model_of(runner)
    with _told(role, 'its first weights'):
        runner._init_model_weights()
    if hasattr(model, 'build_teacher'):
        with _told(role, 'building its teacher'):
            model.build_teacher()
            if model.teacher_cache is not None:
                replay_of(runner.train_dataloader.dataset)
            probe_levels(model, model.distiller.levels, crop_size(model))
            model.set_loss_weights({'task': 1.0, **dict.fromkeys(model.distiller.levels, 1.0)})
    with _told(role, 'the data'):
        check_fits(model, getattr(runner.train_dataloader.dataset, 'metainfo', {}))
    with _told(role, 'loading a training batch'):
        batch = next(iter(runner.train_dataloader))
    with _told(role, 'a training step'):
        runner.model.train()
        logged = runner.model.train_step(batch, runner.optim_wrapper)
    return {key: [float(torch.as_tensor(value).detach().mean())] for key, value in logged.items()}


def _validate(runner: Runner, role: str) -> dict[str, float]:
    """Returns the scores on the smallest and the largest validation image."""
    loop, dataset = runner._val_loop, runner.val_dataloader.dataset
    evaluator = loop.evaluator
    evaluator.dataset_meta = getattr(dataset, 'metainfo', None) or evaluator.dataset_meta
    runner.model.eval()
    chosen = smallest_and_largest(dataset)
    for index in chosen:
        with _told(role, f'loading validation image {index}'):
            batch = pseudo_collate([dataset[index]])
        where = getattr(batch['data_samples'][0], 'img_path', None) or f'image {index}'
        with _told(role, f'the validation of {where}'), torch.no_grad():
            outputs = runner.model.val_step(batch)
        with _told(role, f'a metric on {where}'):
            evaluator.process(data_samples=outputs, data_batch=batch)
    with _told(role, 'a metric'):
        return evaluator.evaluate(len(chosen) * get_world_size())


def smallest_and_largest(dataset: Dataset) -> list[int]:
    """Returns the indices of the images with the shortest side and with the most pixels.

    Sizes are read from file headers; if they are unknown, the first and the last image are taken.
    """
    count = len(dataset)  # type: ignore[arg-type]
    asked = np.unique(np.linspace(0, count - 1, min(count, MEASURED)).round().astype(int)).tolist()
    sizes: dict[int, tuple[int, int]] = {}
    for index in asked:
        info: dict[str, Any] = dataset.get_data_info(index) if hasattr(dataset, 'get_data_info') else {}
        path = info.get('img_path')
        if not path or not Path(path).is_file():
            return sorted({0, count - 1})
        try:
            with open_raster(Path(path)) as raster:
                sizes[index] = raster.height, raster.width
        except InputError:  # reported by the check of the data, or by the run
            continue
    if not sizes:
        return sorted({0, count - 1})
    narrow = min(sizes, key=lambda index: min(sizes[index]))
    large = max(sizes, key=lambda index: sizes[index][0] * sizes[index][1])
    return sorted({narrow, large})


def _save(runner: Runner) -> None:
    """Writes a checkpoint's content to memory, each tensor cut to one value, and reads it back."""
    model = model_of(runner)
    content = dict(
        state_dict=model.state_dict(),
        optimizer=runner.optim_wrapper.state_dict(),
        message_hub=runner.message_hub.state_dict(),
        meta=dict(dataset_meta=getattr(runner.train_dataloader.dataset, 'metainfo', None)),
    )
    file = io.BytesIO()
    torch.save(_shortened(content), file)
    file.seek(0)
    read_allowed('of the rehearsal', lambda _, **how: torch.load(file, **how), map_location='cpu')


def _shortened(content: Any) -> Any:
    if isinstance(content, torch.Tensor):
        return content.detach().flatten()[:1].clone()
    if isinstance(content, Mapping):
        return {key: _shortened(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(_shortened(value) for value in content) if type(content) in (list, tuple) else content
    return content
