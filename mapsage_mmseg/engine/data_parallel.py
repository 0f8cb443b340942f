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
    """MMEngine's wrapper, which averages gradients over processes, for CPUs too.

    There torch refuses a list of devices, and SyncBatchNorm refuses tensors: BatchNorm takes its place, with each
    process's own statistics of a batch.

    Args:
        module: The model. Everything that is trained is in it, connectors and balance among them; the teacher is not.
        device_ids: The process's GPU; MMEngine's Runner passes it.
        broadcast_buffers: Whether the first process's buffers replace the others' before every step. Off:
            :func:`average_statistics` brings them together where it matters.
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
            # Of a depthwise convolution, in which both layouts are the same.
            warnings.filterwarnings('ignore', message='Grad strides do not match bucket view strides')
        with warnings.catch_warnings():
            # torch 2.13's; its new name means something else
            warnings.filterwarnings('ignore', message='`broadcast_buffers` is deprecated', category=FutureWarning)
            super().__init__(module, device_ids=device_ids, broadcast_buffers=broadcast_buffers, **kwargs)


def average_statistics(model: nn.Module) -> None:
    """Gives the norms' running statistics their mean over the processes, so that all have one model.

    SyncBatchNorm keeps them equal by itself. Nothing in a single process.
    """
    norms = [module for module in model.modules() if isinstance(module, _NormBase) and module.track_running_stats]
    all_reduce_params([value for norm in norms for value in (norm.running_mean, norm.running_var)], op='mean')


def images_per_step(runner: Runner) -> int | None:
    """Training images that all processes see in one step; None under a sampler of batches, which has no one size."""
    size = runner.train_dataloader.batch_size
    return size and size * get_world_size()
