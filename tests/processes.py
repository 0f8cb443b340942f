"""Real processes over gloo, forked from a server that has imported the package once: the second call takes no time."""

import os
import socket
import warnings
from collections.abc import Callable
from typing import Any

import torch
from mmengine.registry import init_default_scope
from torch import multiprocessing

PRELOADED = ['mapsage_mmseg.commands.train', 'mapsage_mmseg.commands.test', 'mapsage_mmseg.visualization.report']


def run_processes(function: Callable[..., None], *arguments: Any, count: int = 2) -> None:
    """Calls ``function(*arguments)`` in so many processes that find in their environment what torchrun puts there.

    Raises:
        ProcessRaisedException: One of them raised; its traceback is in the message.
    """
    multiprocessing.get_context('forkserver').set_forkserver_preload(PRELOADED)
    multiprocessing.start_processes(
        _enter, (free_port(), count, function, arguments), nprocs=count, start_method='forkserver'
    )


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _enter(rank: int, port: int, count: int, function: Callable[..., None], arguments: tuple) -> None:
    names = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=count, MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    os.environ.update({name: str(value) for name, value in names.items()}, OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    torch.set_num_threads(1)
    init_default_scope('mmseg')
    warnings.filterwarnings('ignore', message='Multi-processing start method')  # the server's, where a run wants fork
    function(*arguments)
