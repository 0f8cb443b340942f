"""Distributed data parallelism for distillation."""

import warnings
from typing import Any

from mmengine.dist import all_reduce_params, get_world_size
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.runner import Runner
from mmseg.registry import MODEL_WRAPPERS
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


@MODEL_WRAPPERS.register_module()
class DistillDataParallel(MMDistributedDataParallel):
    """MMEngine's ``MMDistributedDataParallel``, which averages gradients over processes, extended to CPUs.

    On CPUs torch rejects a list of devices, and SyncBatchNorm rejects tensors. There, BatchNorm replaces it, with the
    batch statistics of each process.

    Args:
        module: The model. It holds everything that is trained, including connectors and balance, but not the teacher.
        device_ids: The process's GPU; passed by MMEngine's Runner.
        broadcast_buffers: Whether the first process's buffers overwrite those of the others before every step. If off,
            :func:`average_statistics` synchronises them where it matters.
        kwargs: As for ``MMDistributedDataParallel``.
    """

    def __init__(
        self, module: nn.Module, device_ids: list[int] | None = None, broadcast_buffers: bool = False, **kwargs: Any
    ) -> None:
        if next(module.parameters()).device.type == 'cpu':
            device_ids = None
            if any(isinstance(part, nn.SyncBatchNorm) for part in module.modules()):
                print_log(
                    'SyncBatchNorm needs GPUs: BatchNorm in its place, whose statistics are of one process', 'current'
                )
                module = revert_sync_batchnorm(module)
            # Raised by depthwise convolutions, for which both layouts are the same.
            warnings.filterwarnings('ignore', message='Grad strides do not match bucket view strides')
        with warnings.catch_warnings():
            # from torch 2.13; the suggested new name means something else
            warnings.filterwarnings('ignore', message='`broadcast_buffers` is deprecated', category=FutureWarning)
            super().__init__(module, device_ids=device_ids, broadcast_buffers=broadcast_buffers, **kwargs)


def average_statistics(model: nn.Module) -> None:
    """Averages the running statistics of norms over the processes, so that all have the same model.

    SyncBatchNorm keeps them equal by itself. In a single process this does nothing.
    """
    norms = [module for module in model.modules() if isinstance(module, _NormBase) and module.track_running_stats]
    all_reduce_params([value for norm in norms for value in (norm.running_mean, norm.running_var)], op='mean')


def images_per_step(runner: Runner) -> int | None:
    """Returns the training images per step over all processes; None under a batch sampler, which has no fixed size."""
    size = runner.train_dataloader.batch_size
    return size and size * get_world_size()
