"""The processes of a distributed run, on one machine or several."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import torch
from mmengine.dist import all_reduce_params, broadcast_object_list, get_world_size, is_distributed, is_main_process
from mmengine.utils.dl_utils import set_multi_processing
from torch import Tensor, distributed

from ..compat import start_processes
from ..errors import InputError

T = TypeVar('T')
LAUNCHERS = dict(  # each with the environment variables that it sets for the processes it starts
    pytorch=('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'),
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID', 'SLURM_NODELIST'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK', 'MASTER_ADDR'),
)


def join(launcher: str, env_cfg: Mapping[str, Any]) -> None:
    """Joins the process group of a launcher: NCCL on GPUs, gloo on CPUs. Does nothing for ``'none'``.

    Args:
        launcher: ``'none'``, or one of :data:`LAUNCHERS`.
        env_cfg: A config's ``env_cfg``, with ``mp_cfg`` and ``dist_cfg``.

    Raises:
        InputError: The launcher's environment variables are not set, or there are more processes than GPUs.
    """
    if launcher == 'none':
        return
    missing = [name for name in LAUNCHERS[launcher] if name not in os.environ]
    if missing:
        raise InputError(
            f'--launcher {launcher}: {", ".join(missing)} not set in the environment, so nothing has launched this '
            'process; start it with: bash tools/dist_train.sh CONFIG PROCESSES (or tools/slurm_train.sh)'
        )
    local = os.environ.setdefault('LOCAL_RANK', os.environ[LAUNCHERS[launcher][2]])  # MMEngine's wrapper reads it
    if torch.cuda.is_available() and int(local) >= torch.cuda.device_count():
        raise InputError(
            f'process {int(local) + 1} on this machine has no GPU, torch sees {torch.cuda.device_count()}; start one '
            "process a GPU, or set CUDA_VISIBLE_DEVICES='' to train on CPUs"
        )
    # Before joining, as in MMEngine's Runner: joining sets the start method of data workers if it is not set yet.
    set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
    start_processes(launcher, **env_cfg.get('dist_cfg', {}))


def leave() -> None:
    """Leaves the process group, if there is one."""
    if is_distributed():
        distributed.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """Calls ``make`` on the first process, and returns its result or raises its error on every process.

    The other processes wait for it.
    """
    if get_world_size() == 1:
        return make()
    outcome: list[Any] = [None, None]
    if is_main_process():
        try:
            outcome[0] = make()
        except Exception as error:
            outcome[1] = error
    broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def on_every(do: Callable[[], object]) -> None:
    """Calls ``do`` on every process; an error of the first process is raised on all.

    ``do`` must not contain a collective.
    """
    if not is_main_process():
        do()
    from_first(do)


def global_means(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns each value's mean over the processes, in float64 on the CPU.

    This takes one collective, or none in a single process.

    Args:
        values: Tensors of any shape; every process has the same keys in the same order.
    """
    means = {key: value.detach().to('cpu', torch.float64, copy=True) for key, value in values.items()}
    all_reduce_params(list(means.values()), op='mean')
    return means


def first_to_fail() -> bool:
    """Returns whether no other process has failed so far; the call counts as a failure of this one."""
    if not (is_distributed() or 'TORCHELASTIC_RUN_ID' in os.environ):
        return True
    try:
        address, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
        store = distributed.TCPStore(address, port, is_master=False, timeout=timedelta(seconds=5))
        return store.add('mapsage_mmseg/failed', 1) == 1
    except (KeyError, RuntimeError):  # the store's process is gone: report twice rather than not at all
        return True
