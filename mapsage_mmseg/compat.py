"""The one place that knows about third-party versions.

:func:`apply` is called by the package's ``__init__``, before ``mmseg.models`` or ``mmrazor`` is imported. Each mend
says which versions it is for and does nothing where it is not needed.
"""

import ctypes
import importlib
import importlib.util
import json
import os
import pickle
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .errors import InputError
from .whole_file import damage

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of <malloc.h>
MMCV_INSTALL = "pip install 'mmcv-lite>=2.0.0,<2.2.0' (or a build of mmcv 2.0 to 2.1 with compiled ops)"


def apply() -> None:
    """Mends what the installed versions need. Calling it again changes nothing."""
    _require_mmcv()
    _placeholder_for_mmcv_ops()
    _stub_mmrazor_quantization()
    _load_checkpoints_without_executing_them()
    _format_a_config_once()
    _start_processes_on_cpus_too()
    # mmseg calls its own deprecated function at every build of a head.
    warnings.filterwarnings('ignore', message='``build_loss`` would be deprecated soon')


def _require_mmcv() -> None:
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(f'mmcv is not installed: {MMCV_INSTALL}')


class _MissingOps(types.ModuleType):
    """Stands in for ``mmcv.ops``; any name can be imported from it, and raises when it is used."""

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
    """mmcv-lite (all versions) ships ``mmcv/ops`` without ``mmcv._ext``, from which mmseg 1.x imports unguarded."""
    if 'mmcv.ops' in sys.modules or importlib.util.find_spec('mmcv._ext') is not None:
        return
    import mmcv

    module = _MissingOps('mmcv.ops', 'Placeholder: mmcv-lite has no compiled ops.')
    # Without a spec, importlib.util.find_spec('mmcv.ops') raises.
    module.__spec__ = importlib.util.spec_from_loader('mmcv.ops', loader=None)
    module.__path__ = []
    sys.modules['mmcv.ops'] = module
    # mmcv says at every start that this one, which nothing here uses, is missing.
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    mmcv.ops = module


def _stub_mmrazor_quantization() -> None:
    """mmrazor 1.0.0's quantization imports names that torch 2 dropped from ``torch.ao.quantization``."""
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


def _statistics_method(owner: type, name: str) -> Any:
    """Stands in for ``builtins.getattr`` while a checkpoint is read: gives HistoryBuffer's methods, nothing else."""
    from mmengine.logging import HistoryBuffer

    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current', 'statistics'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')


def checkpoint_globals() -> list[Any]:
    """What a checkpoint of MMEngine may name besides tensors: its history of logged numbers, and numpy's arrays."""
    from mmengine.logging import HistoryBuffer

    multiarray = importlib.import_module('numpy._core.multiarray' if hasattr(np, '_core') else 'numpy.core.multiarray')
    allowed: list[Any] = [HistoryBuffer, (_statistics_method, 'builtins.getattr'), np.ndarray, np.dtype]
    for name in ('_reconstruct', 'scalar'):
        function = getattr(multiarray, name)
        # numpy 1 and numpy 2 write different module names; a checkpoint of either is read under either.
        allowed += [(function, f'numpy.core.multiarray.{name}'), (function, f'numpy._core.multiarray.{name}')]
    # Every plain kind of number; not 'O', whose arrays hold objects.
    return allowed + [type(np.dtype(kind)) for kind in '?bhilqBHILQefdFD']


@contextmanager
def _allowed(names: list[Any]) -> Iterator[None]:
    # At its end torch's context takes out all that it was given, also what the user had allowed before.
    before = torch.serialization.get_safe_globals()
    with torch.serialization.safe_globals([name for name in names if name not in before]):
        yield


def _refusal(error: pickle.UnpicklingError) -> str | None:
    """Of torch's long message the line that says what was refused; None where the bytes were no checkpoint at all."""
    match = re.search(
        r'GLOBAL \S+|getattr\(.*\) is not allowed.*|Trying to call reduce.*|Can only (create|build) .*', str(error)
    )
    return match.group(0)[:200] if match else None


def _read(source: str, read: Callable[..., Any], **kwargs: Any) -> Any:
    """Calls one of torch's readers under the allow-list; ``source`` is what the error names."""
    try:
        with _allowed(checkpoint_globals()):
            return read(source, weights_only=True, **kwargs)
    except (torch.OutOfMemoryError, MemoryError, ImportError, OSError):
        raise  # not the content's fault
    except Exception as error:  # garbage makes torch raise anything from EOFError to AssertionError
        refused = _refusal(error) if isinstance(error, pickle.UnpicklingError) else None
        if refused:
            raise InputError(
                f'checkpoint {source} was refused, nothing of it was executed: {refused}. '
                "Only tensors, plain values and MMEngine's log history may stand in a checkpoint"
            ) from error
        # Only torch's RuntimeErrors are written for a reader; a KeyError says '101'.
        reason = str(error).splitlines() if isinstance(error, RuntimeError) else []
        detail = f': {reason[-1].strip().split(". ")[0][:200]}' if reason else ''
        raise InputError(f'checkpoint {source} cannot be read, it is cut short or no checkpoint{detail}') from error


def load_checkpoint_file(filename: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Reads a checkpoint without executing anything that it says.

    Args:
        filename: A local path.
        map_location: As for :func:`torch.load`.

    Raises:
        InputError: The file is missing, is no checkpoint, is cut short or damaged, or names something outside the
            allow-list.
    """
    path = os.path.expanduser(str(filename))
    if not os.path.isfile(path):
        raise InputError(f'checkpoint {path} does not exist')
    if trouble := damage(path):
        raise InputError(f'checkpoint {path} is damaged: {trouble}')
    try:
        return _read(path, torch.load, map_location=map_location)
    except OSError as error:
        raise InputError(f'checkpoint {path} cannot be read: {error}') from error


def _load_checkpoints_without_executing_them() -> None:
    """Replaces MMEngine 0.10's two ways of reading a checkpoint.

    For a local file it calls ``torch.load`` with its default: torch >= 2.6 then refuses MMEngine's own HistoryBuffer.
    For a URL it calls ``torch.hub``, whose default executes whatever the file says (in every torch so far, 2.13 too).
    """
    from mmengine.runner import checkpoint

    # MMEngine logs the reader's name from its tenth letter on: 'by local backend'.
    def load_from_local(filename: str, map_location: Any = None) -> Any:
        return load_checkpoint_file(filename, map_location)

    def load_url(url: str, **kwargs: Any) -> Any:
        return _read(url, torch.hub.load_state_dict_from_url, **kwargs)

    checkpoint.CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    checkpoint.load_url = load_url


def _format_a_config_once() -> None:
    """MMEngine 0.10 formats the whole config with yapf for every checkpoint and six times at the start of a run, about
    half a second each. This remembers the last few texts."""
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
    """Joins the process group that a launcher has started this process for; over gloo where there is no CUDA.

    MMEngine 0.10's own way chooses a CUDA device whether there is one or not, and fails.

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
    """Gives MMEngine 0.10's Runner, and with it the stock tools, :func:`start_processes`."""
    from mmengine.runner import runner

    runner.init_dist = start_processes


def catch_event_errors(writer: Any, caught: Callable[[OSError], None]) -> None:
    """Has a SummaryWriter call a function where its events cannot be written.

    The thread in which TensorBoard 2 writes dies of a full disk with a traceback, and every later point raises. Nothing
    more is written behind the first error: the file may end within an event, and readers stop there.
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
    """Tells glibc to keep the blocks that torch frees; by default it hands large ones back to the system, and every
    training step on a CPU faults them in again (0.90 s against 1.18 s for a step of the 49 M teacher on two cores).

    The training tools call this; importing the package does not. Other C libraries are left alone.
    """
    try:
        mallopt = ctypes.CDLL('libc.so.6').mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 1 << 28)):
        mallopt(parameter, value)
