"""Patches for third-party versions; no other module depends on a version.

:func:`apply` is called before ``mmseg.models`` or ``mmrazor`` is imported: by ``mapsage_mmseg.register``, and by the
``__init__`` of ``datasets``, ``engine`` and ``models``. Each patch names the versions it is for, and does nothing where
it is not needed.
"""

import ctypes
import importlib
import importlib.util
import json
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any

import torch
import yaml

from .weights_file import load_checkpoint_file, read_allowed

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of <malloc.h>
MMCV_INSTALL = "pip install 'mmcv-lite>=2.0.0,<2.2.0' (or a build of mmcv 2.0 to 2.1 with compiled ops)"


def apply() -> None:
    """Applies the patches that the installed versions need. Calling it again changes nothing."""
    _require_mmcv()
    _placeholder_for_mmcv_ops()
    _stub_mmrazor_quantization()
    _load_checkpoints_without_executing_them()
    _load_yaml_without_executing_it()
    _format_a_config_once()
    _start_processes_on_cpus_too()
    _weigh_classes_beside_ignored_pixels()
    # mmseg calls its own deprecated function whenever it builds a head.
    warnings.filterwarnings('ignore', message='``build_loss`` would be deprecated soon')


def _require_mmcv() -> None:
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(f'mmcv is not installed: {MMCV_INSTALL}')


class _MissingOps(types.ModuleType):
    """Stand-in for ``mmcv.ops``: any name can be imported from it, and raises when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise ImportError(
                f'mmcv.ops.{name} needs the compiled ops, and this machine has mmcv-lite: '
                "pip uninstall mmcv-lite; pip install --no-build-isolation 'mmcv==2.1.0'"
            )

        # A class, because some callers subclass or isinstance() what they import.
        return type(name, (), {'__new__': missing, '__doc__': 'Needs the compiled ops of mmcv.'})


def _placeholder_for_mmcv_ops() -> None:
    """Adds a placeholder for ``mmcv.ops``.

    mmcv-lite (all versions) ships ``mmcv/ops`` without ``mmcv._ext``, and mmseg 1.x imports from it unconditionally.
    """
    if 'mmcv.ops' in sys.modules or importlib.util.find_spec('mmcv._ext') is not None:
        return
    import mmcv

    module = _MissingOps('mmcv.ops', 'Placeholder: mmcv-lite has no compiled ops.')
    # Without a spec, importlib.util.find_spec('mmcv.ops') raises.
    module.__spec__ = importlib.util.spec_from_loader('mmcv.ops', loader=None)
    module.__path__ = []
    sys.modules['mmcv.ops'] = module
    # mmcv warns at every start that this op, which nothing here uses, is missing.
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    mmcv.ops = module


def _stub_mmrazor_quantization() -> None:
    """Stubs mmrazor 1.0.0's quantization, which imports names that torch 2 dropped from ``torch.ao.quantization``."""
    name = 'mmrazor.structures.quantization'
    if name in sys.modules or importlib.util.find_spec('mmrazor') is None:
        return
    module = types.ModuleType(name, 'Stub: quantization of mmrazor 1.0.0 needs torch 1.13.')
    module.__dict__.update(
        __path__=[],
        __all__=['BackendConfigs', 'QConfigHandler'],
        BackendConfigs={},
        QConfigHandler=type('QConfigHandler', (), {}),
    )
    sys.modules[name] = module


class _TorchThatReadsOnly(types.ModuleType):
    """torch, with a ``load`` that uses the allow-list."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(file: Any, map_location: Any = None) -> Any:
        if isinstance(file, str | os.PathLike):
            return load_checkpoint_file(file, map_location)
        return read_allowed('from a storage', lambda _, **how: torch.load(file, **how), map_location=map_location)


def _load_checkpoints_without_executing_them() -> None:
    """Replaces the functions with which MMEngine 0.10 reads a checkpoint.

    For a file, and for the content of a storage (``s3://``, ``openmmlab://`` and the like), it calls ``torch.load``
    with its default: torch >= 2.6 then refuses MMEngine's own HistoryBuffer, and executes code in the file if the
    environment sets TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD. For a URL it calls ``torch.hub``, whose default always executes
    it (in every torch so far, including 2.13).
    """
    from mmengine.runner import checkpoint

    # MMEngine logs the function's name without its first ten letters: 'by local backend'.
    def load_from_local(filename: str, map_location: Any = None) -> Any:
        return load_checkpoint_file(filename, map_location)

    def load_url(url: str, **kwargs: Any) -> Any:
        return read_allowed(url, torch.hub.load_state_dict_from_url, **kwargs)

    checkpoint.CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    checkpoint.load_url = load_url
    checkpoint.torch = _TorchThatReadsOnly('torch')


def _load_yaml_without_executing_it() -> None:
    """Makes MMEngine 0.10 read YAML configs with a safe loader; its own executes tags, where users expect only data.

    It is not libyaml's safe loader, since a deeply nested file makes that one end the process.
    """
    from mmengine.fileio.handlers import yaml_handler

    yaml_handler.Loader = yaml.SafeLoader


def _format_a_config_once() -> None:
    """Caches the last few texts of MMEngine 0.10's config formatting.

    MMEngine formats the whole config with yapf for every checkpoint and six times at the start of a run, about half a
    second each.
    """
    from mmengine.config import config

    if hasattr(config.FormatCode, 'cache_info'):
        return
    format_code = config.FormatCode

    @lru_cache(maxsize=8)
    def remembered(text: str, style: str, **options: Any) -> Any:
        return format_code(text, style_config=json.loads(style), **options)

    def once(text: str, style_config: Any = None, **options: Any) -> Any:
        return remembered(text, json.dumps(style_config), **options)

    once.cache_info = remembered.cache_info  # type: ignore[attr-defined]
    config.FormatCode = once


def start_processes(launcher: str, **settings: Any) -> None:
    """Joins the process group of the launcher that started this process; over gloo if there is no CUDA.

    MMEngine 0.10 selects a CUDA device whether there is one or not, and fails.

    Args:
        launcher: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        settings: As for MMEngine's ``init_dist``: ``backend``, ``timeout`` (seconds).
    """
    from mmengine.dist import init_dist

    if torch.cuda.is_available():
        init_dist(launcher, **settings)
        return
    set_device, torch.cuda.set_device = torch.cuda.set_device, lambda device: None
    try:
        init_dist(launcher, **{**settings, 'backend': 'gloo'})
    finally:
        torch.cuda.set_device = set_device


def _start_processes_on_cpus_too() -> None:
    """Makes MMEngine 0.10's Runner, and with it the stock tools, use :func:`start_processes`."""
    from mmengine.runner import runner

    runner.init_dist = start_processes


def _weigh_classes_beside_ignored_pixels() -> None:
    """Fixes mmseg 1.2's cross-entropy, which looks up ``ignore_index`` among the ``class_weight`` and fails."""
    module: Any = importlib.import_module('mmseg.models.losses.cross_entropy_loss')
    given = module.cross_entropy
    if hasattr(given, 'given'):
        return

    @wraps(given)
    def cross_entropy(
        pred: torch.Tensor,
        label: torch.Tensor,
        weight: torch.Tensor | None = None,
        class_weight: torch.Tensor | None = None,
        reduction: str = 'mean',
        avg_factor: Any = None,
        ignore_index: int = -100,
        avg_non_ignore: bool = False,
    ) -> torch.Tensor:
        if class_weight is not None and avg_factor is None and reduction == 'mean':
            ignored = label == ignore_index
            weights = class_weight[label.masked_fill(ignored, 0)]
            avg_factor = weights.masked_fill(ignored, 0.0 if avg_non_ignore else 1.0).sum()
        return given(
            pred,
            label,
            weight,
            class_weight,
            reduction,
            avg_factor,
            ignore_index=ignore_index,
            avg_non_ignore=avg_non_ignore,
        )

    cross_entropy.given = given  # type: ignore[attr-defined]
    module.cross_entropy = cross_entropy


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Restores Python's recursion limit, which mmrazor 1.0.0 raises to 1,048,576 at import.

    With that limit, deep JSON or YAML would overflow the C stack and end the process instead of raising RecursionError.
    """
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def catch_event_errors(writer: Any, caught: Callable[[OSError], None]) -> None:
    """Makes a SummaryWriter call a function when its events cannot be written.

    On a full disk, the writer thread of TensorBoard 2 dies with a traceback, and every later point raises. Nothing more
    is written after the first error: the file may end within an event, and readers stop there.
    """

    class Guarded:
        broken = False

        def __getattr__(self, name: str) -> Any:
            def call(*args: Any) -> None:
                if self.broken:
                    return
                try:
                    getattr(records, name)(*args)
                except OSError as error:
                    self.broken = True
                    caught(error)

            return call

    events = writer.file_writer.event_writer._async_writer
    records = events._writer
    events._writer = events._worker._record_writer = Guarded()


def keep_freed_memory() -> None:
    """Makes glibc keep the blocks that torch frees.

    By default it returns large ones to the system, and every training step on a CPU faults them in again (0.90 s
    against 1.18 s for a step of the 49 M teacher on two cores).

    The training tools call this; importing the package does not. Other C libraries are not affected.
    """
    try:
        mallopt = ctypes.CDLL('libc.so.6').mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 1 << 28)):
        mallopt(parameter, value)
