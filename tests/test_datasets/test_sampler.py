"""SeededSampler and DrawIndex: orders follow from (seed, epoch), and skipping equals having gone that far."""

import copy
import itertools
import pickle

import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mapsage_mmseg.datasets import sampler
from mapsage_mmseg.datasets.sampler import DrawIndex, SeededSampler
from mapsage_mmseg.errors import InputError


class Numbers(BaseDataset):
    """Gives back the index that its pipeline saw."""

    def load_data_list(self):
        return [{} for _ in range(self.metainfo['length'])]


def numbers(length: int) -> Numbers:
    return Numbers(metainfo={'length': length}, pipeline=[lambda results: results['sample_idx']])


def drawn(batches):
    return [(int(index), index.seed, index.epoch) for batch in batches for index in batch]


@pytest.fixture
def ranks(monkeypatch):
    """Makes a sampler believe that it is one of several processes."""

    def of(rank: int, world_size: int, *args, **kwargs) -> SeededSampler:
        monkeypatch.setattr(sampler, 'get_dist_info', lambda: (rank, world_size))
        return SeededSampler(*args, **kwargs)

    return of


def test_index_keeps_its_epoch():
    index = DrawIndex(7, seed=3, epoch=2)
    assert index == 7 and [10, 11, 12, 13, 14, 15, 16, 17][index] == 17 and f'{index:03d}' == '007'
    for same in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index), index - 0, index % 8):
        assert (same, same.seed, same.epoch, same.drawn) == (7, 3, 2, 7)
    assert (index - 5, (index - 5).drawn, index % 4, (index % 4).drawn) == (2, 7, 3, 7)


def test_every_epoch_is_a_permutation_of_its_own():
    order = SeededSampler(range(50), seed=1)
    epochs = []
    for epoch in range(3):
        order.set_epoch(epoch)
        epochs.append(list(order))
        assert sorted(epochs[-1]) == list(range(50))
        assert {(index.seed, index.epoch) for index in epochs[-1]} == {(1, epoch)}
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert len(order) == 50


def test_order_follows_from_seed_and_epoch_alone():
    first, second = SeededSampler(range(50), seed=1), SeededSampler(range(50), seed=1)
    list(first)  # Having gone through an epoch before leaves no trace.
    first.set_epoch(4)
    second.set_epoch(4)
    assert list(first) == list(second) == list(first)
    assert list(SeededSampler(range(50), seed=2)) != list(SeededSampler(range(50), seed=1))


def test_order_stays_the_same_over_versions():
    # A change here makes every interrupted run resume in another order.
    order = SeededSampler(range(10), seed=0)
    order.set_epoch(3)
    assert list(order) == [8, 4, 3, 0, 2, 1, 9, 5, 7, 6]


def test_without_shuffling_it_is_the_dataset_s_order():
    assert list(SeededSampler(range(5), shuffle=False, seed=0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('samples', [0, 1, 7, 10])
def test_skip_gives_the_tail_once(samples):
    whole, cut = SeededSampler(range(10), seed=5), SeededSampler(range(10), seed=5)
    cut.skip(samples)
    assert list(cut) == list(whole)[samples:]
    assert list(cut) == list(whole)


@pytest.mark.parametrize('samples', [0, 3, 10, 34])
def test_infinite_skip_equals_having_gone_that_far(samples):
    whole, cut = (SeededSampler(range(10), seed=5, infinite=True) for _ in range(2))
    cut.skip(samples)
    expected = list(itertools.islice(whole, samples, samples + 25))
    found = list(itertools.islice(cut, 25))
    assert [(index, index.epoch) for index in found] == [(index, index.epoch) for index in expected]
    assert found[0].epoch == samples // 10


def test_infinite_goes_through_the_finite_epochs():
    finite, infinite = SeededSampler(range(6), seed=2), SeededSampler(range(6), seed=2, infinite=True)
    stream = iter(infinite)
    for epoch in (0, 1, 2):
        finite.set_epoch(epoch)
        assert list(itertools.islice(stream, 6)) == list(finite)


def test_a_far_skip_costs_nothing():
    far = SeededSampler(range(1000), seed=0, infinite=True)
    far.skip(10**12 + 5)
    assert next(iter(far)).epoch == 10**9


@pytest.mark.parametrize('size', [8, 9])
def test_two_ranks_share_the_dataset(ranks, size):
    parts = [ranks(rank, 2, range(size), seed=3) for rank in (0, 1)]
    orders = [list(part) for part in parts]
    assert len(orders[0]) == len(orders[1]) == len(parts[0]) == (size + 1) // 2
    assert set(orders[0]) | set(orders[1]) == set(range(size))
    # Together they walk in the order of a single process; an odd one is filled up from its beginning.
    single = list(ranks(0, 1, range(size), seed=3))
    assert list(itertools.chain(*zip(*orders, strict=True))) == (single + single)[: size + size % 2]


def test_two_ranks_without_rounding_up_repeat_nothing(ranks):
    parts = [ranks(rank, 2, range(9), seed=3, round_up=False) for rank in (0, 1)]
    assert [len(part) for part in parts] == [len(list(part)) for part in parts] == [5, 4]
    assert sorted(itertools.chain(*parts)) == list(range(9))


def test_more_ranks_than_samples(ranks):
    assert [list(ranks(rank, 5, range(2), shuffle=False, seed=0)) for rank in range(5)] == [[0], [1], [0], [1], [0]]
    assert list(ranks(4, 5, range(2), seed=0, round_up=False)) == []
    streams = [ranks(rank, 5, range(2), shuffle=False, seed=0, infinite=True) for rank in range(5)]
    assert [list(itertools.islice(stream, 4)) for stream in streams] == [[0, 1, 0, 1], [1, 0, 1, 0]] * 2 + [
        [0, 1, 0, 1]
    ]


@pytest.mark.parametrize('infinite', [False, True])
@pytest.mark.parametrize('skipped', [0, 1, 2])
def test_a_step_sees_the_same_images_however_many_processes_share_it(ranks, infinite, skipped):
    """23 samples, steps of 4, behind those that a run before this one has seen."""
    steps = {}
    for world_size in (1, 2, 4):
        size = 4 // world_size
        parts = [ranks(rank, world_size, range(23), seed=3, infinite=infinite) for rank in range(world_size)]
        for part in parts:
            if not infinite:
                part.round_down()
            part.skip(skipped * size)
        loaders = [DataLoader(numbers(23), size, sampler=part, drop_last=True, collate_fn=list) for part in parts]
        steps[world_size] = [
            sorted((index.epoch, int(index)) for batch in batches for index in batch)
            for batches in itertools.islice(zip(*loaders, strict=True), 20)
        ]
    assert steps[1] == steps[2] == steps[4]
    assert len(steps[1]) == (20 if infinite else 5 - skipped)
    if infinite:
        seen = sorted(index for step in steps[1] for index in step)
        assert all(seen.count((1, index)) == 1 for index in range(23))


def test_skip_counts_the_rank_s_own_samples(ranks):
    whole, cut = (list(ranks(1, 2, range(9), seed=3)) for _ in range(2))
    part = ranks(1, 2, range(9), seed=3)
    part.skip(2)
    assert list(part) == whole[2:] == cut[2:]


def epochs_of(order, count):
    """The samples of so many epochs, each a list."""
    found = []
    for epoch in range(count):
        order.set_epoch(epoch)
        found.append(list(order))
    return found


def test_an_epoch_of_a_small_dataset_takes_up_where_the_one_before_ended():
    found = epochs_of(SeededSampler(range(5), seed=1, at_least=12), 5)
    assert [len(samples) for samples in found] == [12] * 5
    stream = [sample for samples in found for sample in samples]
    for number in range(12):  # 60 samples are 12 passes over the five
        samples = stream[5 * number :][:5]
        assert sorted(samples) == list(range(5)) and {sample.epoch for sample in samples} == {number}
    plain = [sample for samples in epochs_of(SeededSampler(range(5), seed=1), 12) for sample in samples]
    assert drawn([stream]) == drawn([plain])


def test_an_epoch_of_a_large_dataset_is_one_pass():
    order, plain = (SeededSampler(range(50), seed=1, **more) for more in (dict(at_least=12), {}))
    assert len(order) == 50 and drawn(epochs_of(order, 2)) == drawn(epochs_of(plain, 2))


@pytest.mark.parametrize('at_least', [0, 12, 13])
def test_ranks_share_an_epoch_that_has_several_passes(ranks, at_least):
    mine, its = (ranks(rank, 2, range(5), seed=1, at_least=at_least) for rank in range(2))
    alone = ranks(0, 1, range(5), seed=1, at_least=at_least)
    for epoch in range(3):
        for order in (mine, its, alone):
            order.set_epoch(epoch)
        shared = [sample for pair in zip(mine, its, strict=True) for sample in pair]
        assert drawn([shared])[: len(alone)] == drawn([list(alone)])
        mine.skip(2)
        assert drawn([list(mine)]) == drawn([shared[4::2]])


def test_refusals():
    with pytest.raises(InputError, match='range is empty'):
        SeededSampler(range(0))
    with pytest.raises(InputError, match='seed=-1'):
        SeededSampler(range(3), seed=-1)
    for wrong in (dict(at_least=-1), dict(at_least=5, infinite=True)):
        with pytest.raises(InputError, match=f'at_least={wrong["at_least"]}; expected 0 or more, and 0 with infinite'):
            SeededSampler(range(3), seed=0, **wrong)
    for samples in (-1, 4):
        with pytest.raises(ValueError, match='0 to 3'):
            SeededSampler(range(3), seed=0).skip(samples)


def test_runner_builds_it_with_the_run_s_seed():
    config = {
        'dataset': numbers(4),
        'sampler': {'type': 'SeededSampler'},
        'batch_size': 2,
        'num_workers': 0,
        'collate_fn': list,
    }
    loader = Runner.build_dataloader(config, seed=17)
    assert loader.sampler.seed == 17 and drawn(loader) == [(index, 17, 0) for index in SeededSampler(range(4), seed=17)]


def test_the_epoch_reaches_persistent_workers():
    loader = DataLoader(
        numbers(12),
        batch_size=3,
        sampler=SeededSampler(range(12), seed=4),
        num_workers=2,
        persistent_workers=True,
        collate_fn=list,
    )
    for epoch in (0, 1, 5):
        loader.sampler.set_epoch(epoch)
        assert drawn(loader) == [(int(index), 4, epoch) for index in loader.sampler]
    loader.sampler.skip(6)
    assert len(list(loader)) == 2 and len(list(loader)) == 4


def test_the_epoch_passes_through_wrapped_datasets():
    joined, repeated = ConcatDataset([numbers(5), numbers(5)]), RepeatDataset(numbers(4), times=3)
    for data, length, inner in ((joined, 10, 4), (repeated, 12, 1)):
        index = data[DrawIndex(9, seed=1, epoch=6)]
        assert (len(data), index, index.seed, index.epoch, index.drawn) == (length, inner, 1, 6, 9)
