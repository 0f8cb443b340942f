"""Facts about a run that its record holds before the first step."""

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import get_world_size
from mmengine.runner import Runner

from ...errors import InputError
from ...evaluation.record import new_record
from ...imagery import Bands
from ...models.normalisation import as_written, channels, difference, normalisation
from ...models.segmentors.multi_level_distill import last_head
from ..data_parallel import images_per_step
from ..runner_model import model_of
from ..teachers.keys import data_key
from ..teachers.recipes import find_config
from .first_weights import fingerprint
from .flops import crop_size, forward_gflops
from .key import run_key, shared_settings

PACKAGES = ('mapsage_mmseg', 'torch', 'numpy', 'mmengine', 'mmcv', 'mmcv-lite', 'mmsegmentation', 'mmrazor')


def run_facts(runner: Runner) -> dict[str, Any]:
    """Returns a new record of this run; if it is resumed, ``student.start`` still has to be set to its original
    value."""
    model = model_of(runner)
    student = getattr(model, 'student', model)
    metainfo: Mapping[str, Any] = getattr(runner.train_dataloader.dataset, 'metainfo', {})
    check_fits(model, metainfo)
    return new_record(
        experiment=runner.cfg.get('experiment') or runner.experiment_name,
        key=run_key(runner.cfg),
        control=control_experiment(runner.cfg) if student is not model else None,
        is_teacher=bool(runner.cfg.get('publish_teacher')),
        config=str(runner.cfg.filename or ''),
        commands=runner.cfg.get('commands'),
        git_commit=git_commit(),
        seed=runner.seed,
        device=device_name(),
        processes=get_world_size(),
        images_per_step=images_per_step(runner),
        settings=shared_settings(runner.cfg),
        versions={
            'python': platform.python_version(),
            **{name: found for name in PACKAGES if (found := _version(name))},
        },
        classes=list(metainfo.get('classes', ())),
        dataset=str(metainfo.get('name') or type(runner.train_dataloader.dataset).__name__),
        data_key=data_key(runner.cfg),
        teacher=runner.message_hub.runtime_info.get('distill/teacher'),
        student_params_m=round(sum(parameter.numel() for parameter in student.parameters()) / 1e6, 3),
        student_start=fingerprint(student),
        student_gflops=forward_gflops(student, crop_size(model), channels(model.data_preprocessor)),
    )


def check_fits(model: Any, metainfo: Mapping[str, Any]) -> None:
    """Refuses a model that does not fit its data.

    Raises:
        InputError: The number of classes differs, the preprocessor does not normalise the data's bands, or a part of
            the model undoes another normalisation than the preprocessor's.
    """
    _check_classes(getattr(model, 'student', model), metainfo)
    _check_bands(model, metainfo)
    _check_undone(model)


def _check_classes(student: Any, metainfo: Mapping[str, Any]) -> None:
    outputs = last_head(student).num_classes if hasattr(student, 'decode_head') else None
    classes = metainfo.get('classes')
    if outputs is not None and classes and outputs != len(classes):
        raise InputError(
            f'decode_head.num_classes={outputs}, and the data has {len(classes)} classes ({", ".join(classes)}); '
            'give the head as many'
        )


def _check_bands(model: Any, metainfo: Mapping[str, Any]) -> None:
    """Refuses a preprocessor for other bands: one for three bands would silently take the first three of four."""
    bands, mine = Bands.of(metainfo), normalisation(model.data_preprocessor)
    if bands is None or mine is None:
        return
    for key, wanted in (('mean', as_written(bands.mean)), ('std', as_written(bands.std)), ('bgr_to_rgb', False)):
        if mine[key] != wanted:
            raise InputError(
                f'model.data_preprocessor.{key}={mine[key]}, and dataset.yaml names bands: expected {wanted}, as '
                '--data-root sets it'
            )


def _check_undone(model: Any) -> None:
    """Refuses a pretrained backbone that undoes another normalisation than the preprocessor's before its own."""
    mine = normalisation(model.data_preprocessor)
    for path, module in model.named_modules():
        undone: Mapping[str, Any] | None = getattr(module, 'undoes', None)
        key = difference(undone, mine)
        if undone is not None and mine is not None and key is not None:
            raise InputError(
                f'model.{path}.input_{key}={undone[key]} differs from model.data_preprocessor.{key}={mine[key]}, which '
                'that backbone undoes; give it the same'
            )


def control_experiment(config: Config) -> str | None:
    """Returns the experiment of the config that ``control`` names, by default ``no_distill.py``; None if it is
    missing."""
    path = find_config(config, config.get('control', 'no_distill.py'))
    return (Config.fromfile(str(path)).get('experiment') or path.stem) if path else None


def git_commit() -> str | None:
    """Returns the commit of the package's checkout, with ``+`` appended if files were changed; None outside a
    checkout."""
    folder = Path(__file__).parent
    try:
        run = dict(cwd=folder, capture_output=True, text=True, timeout=5, check=True)
        commit = subprocess.run(['git', 'rev-parse', '--short=12', 'HEAD'], **run).stdout.strip()  # type: ignore[call-overload]
        dirty = subprocess.run(['git', 'status', '--porcelain', '-uno'], **run).stdout.strip()  # type: ignore[call-overload]
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ('+' if dirty else '')


def device_name(device: str | None = None) -> str:
    """Describes the device of all processes, as in a results table; by default the device that MMEngine would use."""
    processes = get_world_size()
    if (device or get_device()) == 'cuda':
        return f'{processes} x {torch.cuda.get_device_name()}'
    several = f'{processes} x ' if processes > 1 else ''
    return f'{several}cpu, {torch.get_num_threads()} threads, {_cpu_model()}'


def _cpu_model() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')), platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
