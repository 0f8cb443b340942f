"""Order of the training samples, and the index that carries the epoch number into the workers."""

import math
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from ..errors import InputError


class DrawIndex(int):
    """A dataset index that also carries the seed, the epoch and the drawn index.

    The sampler runs in the main process, the transforms in workers that persist over epochs. The index is the only
    thing that travels from one to the other with every sample.

    Subtraction and remainder keep these attributes, because MMEngine's ``ConcatDataset`` and ``RepeatDataset`` compute
    the index inside a part with them.

    Attributes:
        seed: The sampler's seed.
        epoch: The epoch that this sample belongs to, from 0.
        drawn: The index as the sampler drew it. It differs from the value only inside a wrapped dataset.
    """

    seed: int
    epoch: int
    drawn: int

    def __new__(cls, index: int, seed: int, epoch: int, drawn: int | None = None) -> 'DrawIndex':
        self = super().__new__(cls, index)
        self.seed = seed
        self.epoch = epoch
        self.drawn = int(index) if drawn is None else drawn
        return self

    def _moved(self, index: int) -> 'DrawIndex':
        return DrawIndex(index, self.seed, self.epoch, self.drawn)

    def __sub__(self, other: int) -> 'DrawIndex':
        return self._moved(int(self) - int(other))

    def __mod__(self, other: int) -> 'DrawIndex':
        return self._moved(int(self) % int(other))

    def __reduce__(self) -> tuple[Any, ...]:
        return DrawIndex, (int(self), self.seed, self.epoch, self.drawn)


def epoch_size(dataset: Sized) -> int:
    """Returns the number of samples in an epoch of a dataset: its ``epoch_size`` if it has one, else all."""
    return getattr(dataset, 'epoch_size', len(dataset))


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Yields :class:`DrawIndex`; the order of an epoch depends only on (seed, epoch).

    A resumed run therefore continues in the order of the interrupted run, and :meth:`skip` skips the samples that were
    already consumed, without loading them. Several processes take turns in one common order, so the samples of a step
    do not depend on the number of processes, as long as the total batch size is the same.

    A dataset may use only a part of its samples in each epoch. It then has an ``epoch_size``, and a boolean array
    ``optional`` that marks the samples that may be left out. Every epoch has all other samples and draws some of these.

    Args:
        dataset: The dataset.
        shuffle: Give every epoch its own permutation; otherwise keep the dataset's order.
        seed: The same in every process; MMEngine's Runner passes its own. None draws one that all processes share but
            a later run cannot reproduce.
        infinite: Continue from epoch to epoch without end, for iteration-based loops; no sample is repeated or left
            out.
        round_up: Repeat samples until every rank has the same number.
        at_least: Minimum number of samples in an epoch. An epoch of a smaller dataset has more than one permutation,
            or the rest of one and the beginning of the next, so that all samples are equally frequent over the run.

    Raises:
        InputError: The dataset is empty, the seed or ``at_least`` is negative, or both ``infinite`` and ``at_least``
            are given.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        infinite: bool = False,
        round_up: bool = True,
        at_least: int = 0,
    ) -> None:
        self.pass_size = epoch_size(dataset)
        if self.pass_size == 0:
            raise InputError(f'sampler: dataset {type(dataset).__name__} is empty; it needs at least one sample')
        if at_least < 0 or (infinite and at_least):
            raise InputError(f'sampler: at_least={at_least}; expected 0 or more, and 0 with infinite=True')
        self.count = max(self.pass_size, at_least)
        if seed is not None and seed < 0:
            raise InputError(f'sampler: seed={seed} is negative; a seed is 0 or more')
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = int(sync_random_seed() if seed is None else seed)
        self.infinite = infinite
        self.round_up = round_up
        self.epoch = 0
        self._skipped = 0
        self.optional: np.ndarray | None = getattr(dataset, 'optional', None)
        share = self.count / self.world_size if round_up else (self.count - self.rank) / self.world_size
        self.num_samples = max(0, math.ceil(share))

    def round_down(self) -> None:
        """Leaves out the samples that cannot be shared evenly, instead of repeating some.

        A loader that drops its last batch needs this to have the same number of batches for any number of processes.
        """
        self.round_up = False
        self.num_samples = self.count // self.world_size

    def __len__(self) -> int:
        """The number of samples of this rank in one epoch."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch at which the next iteration begins. MMEngine calls it before every training epoch."""
        self.epoch = epoch

    def skip(self, samples: int) -> None:
        """Skips the first samples of this rank in the next iteration, and only in that one.

        Args:
            samples: Number of samples, not batches. With ``infinite`` any number is allowed: whole epochs are skipped
                without drawing their order.

        Raises:
            ValueError: The number is negative, or larger than an epoch of a finite sampler.
        """
        if samples < 0 or (not self.infinite and samples > self.num_samples):
            bound = 'or more' if self.infinite else f'to {self.num_samples}, the samples of one epoch'
            raise ValueError(f'skip({samples}): expected 0 {bound}')
        self._skipped = samples

    def __iter__(self) -> Iterator[DrawIndex]:
        # Not a generator: epoch and skip are read when the iterator is created, so setting them for the next is safe.
        first, self._skipped = self.rank + self._skipped * self.world_size, 0
        return self._samples(self.epoch, first)

    def _samples(self, epoch: int, first: int) -> Iterator[DrawIndex]:
        """Yields this rank's samples, starting at a position in the common order."""
        if not self.infinite:
            indices, passes = self._epoch(epoch)
            yield from self._draw(indices[first :: self.world_size], passes[first :: self.world_size])
            return
        while True:
            epoch, first = epoch + first // self.count, first % self.count
            indices = self._order(epoch)[first :: self.world_size]
            yield from self._draw(indices, np.full(len(indices), epoch))
            first += -(-(self.count - first) // self.world_size) * self.world_size

    def _draw(self, indices: np.ndarray, passes: np.ndarray) -> Iterator[DrawIndex]:
        pairs = zip(indices.tolist(), passes.tolist(), strict=True)
        return (DrawIndex(index, self.seed, number) for index, number in pairs)

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the indices of all ranks for one epoch, in order, and the pass over the dataset of each index."""
        begin, end = epoch * self.count, (epoch + 1) * self.count
        numbers = np.arange(begin // self.pass_size, -(-end // self.pass_size))
        whole = slice(begin - numbers[0] * self.pass_size, end - numbers[0] * self.pass_size)
        indices = np.concatenate([self._order(int(number)) for number in numbers])[whole]
        passes = np.repeat(numbers, self.pass_size)[whole]
        shared = self.num_samples * self.world_size
        places = np.arange(shared) % self.count  # with round_up some are repeated
        return indices[places], passes[places]

    def _order(self, epoch: int) -> np.ndarray:
        """Returns the indices of all ranks for one pass, in order."""
        count = len(self.dataset)
        order = np.arange(count)
        if self.shuffle:
            # Raw words: numpy guarantees that they stay the same in later versions, unlike the methods of Generator.
            words = np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(epoch,))).random_raw(count)
            order = np.argsort(words, kind='stable')
        if self.optional is not None and self.pass_size < count:
            optional = self.optional[order]
            order = order[~optional | (np.cumsum(optional) <= self.pass_size - np.count_nonzero(~optional))]
        return order
