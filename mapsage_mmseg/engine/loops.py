"""Training loops that resume where they stopped."""

from typing import Any

from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator
from mmseg.registry import LOOPS
from torch import nn
from torch.utils.data import DataLoader

from ..datasets.sampler import SeededSampler
from ..errors import InputError


def _skip(dataloader: DataLoader, batches: int) -> None:
    sampler, batch_size = dataloader.sampler, dataloader.batch_size
    if not hasattr(sampler, 'skip') or batch_size is None:
        raise InputError(
            f'train_dataloader.sampler={type(sampler).__name__} cannot resume in mid-epoch; use '
            "sampler=dict(type='SeededSampler'), or resume a checkpoint from the end of an epoch"
        )
    sampler.skip(batches * batch_size)


@LOOPS.register_module()
class ResumableEpochTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop, which also resumes in mid-epoch.

    A checkpoint from mid-epoch is resumed at its next batch, where MMEngine repeats the epoch. A validation that was
    due when the run stopped is made up first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._max_epochs < 1:
            raise InputError(f'train_cfg.max_epochs={self._max_epochs} must be a whole number from 1')
        if self.val_interval < 1:
            raise InputError(f'train_cfg.val_interval={self.val_interval} must be a whole number from 1')
        if self.dataloader.drop_last and isinstance(self.dataloader.sampler, SeededSampler):
            self.dataloader.sampler.round_down()
        if not len(self.dataloader):
            processes = get_world_size()
            images = getattr(self.dataloader.sampler, 'count', len(self.dataloader.dataset))
            raise InputError(
                f'train_dataloader: {images} images make no batch of '
                f'{self.dataloader.batch_size}{f" for each of {processes} processes" * (processes > 1)}; add images, '
                'or lower train_dataloader.batch_size'
            )

    def run(self) -> nn.Module:
        self.runner.call_hook('before_train')
        # A checkpoint that is saved by iterations at the end of an epoch does not count this epoch as done.
        self._epoch = self._iter // len(self.dataloader)
        if self._iter and self._iter % len(self.dataloader) == 0:
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        if done:
            _skip(self.dataloader, done)
        for idx, data_batch in enumerate(self.dataloader, start=done):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterTrainLoop(IterBasedTrainLoop):
    """MMEngine's iteration loop, which resumes without loading the batches that were already trained on.

    A validation that was due when the run stopped is made up first. A :class:`SeededSampler` continues from epoch to
    epoch.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.dataloader.sampler, SeededSampler):
            self.dataloader.sampler.infinite = True

    def run(self) -> nn.Module:
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter:
            _skip(self.dataloader, self._iter)
        # MMEngine started workers with the loop, before InterruptHook set their signal handlers: start new ones.
        self.dataloader._iterator = None
        self.dataloader_iterator = _InfiniteDataloaderIterator(self.dataloader)
        if self._iter:
            self._validate()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._validate()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        if self.runner.val_loop is not None and self._iter >= self.val_begin and due:
            self.runner.val_loop.run()
