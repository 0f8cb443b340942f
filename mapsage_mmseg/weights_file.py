"""Loading of weights without executing code in the files."""

import hashlib
import importlib
import json
import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch

from .errors import InputError
from .whole_file import damage


def _statistics_method(owner: type, name: str) -> Any:
    """Stands in for ``builtins.getattr`` while a checkpoint is read: returns methods of HistoryBuffer, and nothing
    else."""
    from mmengine.logging import HistoryBuffer

    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current', 'statistics'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')


def checkpoint_globals() -> list[Any]:
    """Returns what a checkpoint of MMEngine may name besides tensors: its history of logged values, and numpy
    arrays."""
    from mmengine.logging import HistoryBuffer

    multiarray = importlib.import_module('numpy._core.multiarray' if hasattr(np, '_core') else 'numpy.core.multiarray')
    allowed: list[Any] = [HistoryBuffer, (_statistics_method, 'builtins.getattr'), np.ndarray, np.dtype]
    for name in ('_reconstruct', 'scalar'):
        function = getattr(multiarray, name)
        # numpy 1 and numpy 2 write different module names; a checkpoint of either is read under either.
        allowed += [(function, f'numpy.core.multiarray.{name}'), (function, f'numpy._core.multiarray.{name}')]
    # Every plain number type; not 'O', whose arrays hold objects.
    return allowed + [type(np.dtype(kind)) for kind in '?bhilqBHILQefdFD']


@contextmanager
def _allowed(names: list[Any]) -> Iterator[None]:
    # On exit torch's context removes all that it was given, including what the user had allowed before.
    before = torch.serialization.get_safe_globals()
    with torch.serialization.safe_globals([name for name in names if name not in before]):
        yield


def _refusal(error: pickle.UnpicklingError) -> str | None:
    """Returns the line of torch's long message that names what was refused; None if the file was no checkpoint at
    all."""
    match = re.search(
        r'GLOBAL \S+|getattr\(.*\) is not allowed.*|Trying to call reduce.*|Can only (create|build) .*', str(error)
    )
    return match.group(0)[:200] if match else None


def read_allowed(source: str, read: Callable[..., Any], **kwargs: Any) -> Any:
    """Calls one of torch's readers under the allow-list; ``source`` is named in the error."""
    try:
        with _allowed(checkpoint_globals()):
            return read(source, weights_only=True, **kwargs)
    except (torch.OutOfMemoryError, MemoryError, ImportError, OSError):
        raise  # not caused by the content
    except Exception as error:  # garbage makes torch raise anything from EOFError to AssertionError
        refused = _refusal(error) if isinstance(error, pickle.UnpicklingError) else None
        if refused:
            raise InputError(
                f'checkpoint {source} was refused, nothing of it was executed: {refused}. '
                "Only tensors, plain values and MMEngine's log history may stand in a checkpoint"
            ) from error
        # Only torch's RuntimeErrors are readable; a KeyError is just '101'.
        reason = str(error).splitlines() if isinstance(error, RuntimeError) else []
        detail = f': {reason[-1].strip().split(". ")[0][:200]}' if reason else ''
        raise InputError(f'checkpoint {source} cannot be read, it is cut short or no checkpoint{detail}') from error


def _read_safetensors(path: str, map_location: Any) -> dict[str, Any]:
    """Returns tensors as ``state_dict``, and the file's metadata as ``meta``: strings, parsed as JSON if they are
    JSON."""
    try:
        with safetensors.safe_open(path, framework='pt', device='cpu') as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            meta = {key: _value(text) for key, text in (file.metadata() or {}).items()}
    except safetensors.SafetensorError as error:
        raise InputError(f'checkpoint {path} cannot be read, it is cut short or no safetensors: {error}') from error
    if isinstance(map_location, str | torch.device):
        weights = {name: tensor.to(map_location) for name, tensor in weights.items()}
    return dict(state_dict=weights, meta=meta)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def load_checkpoint_file(filename: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Reads a checkpoint without executing any code in it. All weights are loaded through this function.

    Args:
        filename: A local path. A ``.safetensors`` file gives ``state_dict`` and ``meta``.
        map_location: As for :func:`torch.load`.

    Raises:
        InputError: The file is missing, is no checkpoint, is truncated or damaged, or names something outside the
            allow-list.
    """
    path = os.path.expanduser(str(filename))
    if not os.path.isfile(path):
        raise InputError(f'checkpoint {path} does not exist')
    if trouble := damage(path):
        raise InputError(f'checkpoint {path} is damaged: {trouble}')
    try:
        if path.endswith('.safetensors'):
            return _read_safetensors(path, map_location)
        return read_allowed(path, torch.load, map_location=map_location)
    except OSError as error:
        raise InputError(f'checkpoint {path} cannot be read: {error}') from error


def load_whole(model: torch.nn.Module, weights: Mapping[str, torch.Tensor], trouble: str) -> None:
    """Loads weights that must fit a model completely.

    Raises:
        InputError: A key is missing or unexpected, or a shape differs; the message begins with ``trouble``.
    """
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # a wrong shape, strict or not: a headline, then one line per key
        raise InputError(f'{trouble}: {str(error).splitlines()[1].strip()}') from error
    if missing or unexpected:
        raise InputError(
            f'{trouble}: {len(missing)} keys missing ({", ".join(missing[:3])}), '
            f'{len(unexpected)} unexpected ({", ".join(unexpected[:3])})'
        )


def file_digest(path: str | Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with open(path, 'rb') as file:
        if hasattr(hashlib, 'file_digest'):  # from Python 3.11 on
            return hashlib.file_digest(file, 'sha256').hexdigest()
        return hashlib.sha256(file.read()).hexdigest()
