"""Data sets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset`` in a config."""

from collections.abc import Iterator, MutableMapping
from typing import Any

Settings = MutableMapping[str, Any]


def leaves(dataset: Settings) -> Iterator[Settings]:
    """Yields the settings of the data sets that read files, from left to right; one without a wrapper yields itself."""
    inner = dataset.get(
        'datasets', [dataset['dataset']] if isinstance(dataset.get('dataset'), MutableMapping) else None
    )
    if not inner or not isinstance(inner, list | tuple):
        yield dataset
        return
    for each in inner:
        yield from leaves(each)


def put_leaf(owner: Settings, key: str, leaf: Settings) -> None:
    """Replaces the data set that ``owner[key]`` holds or wraps; wrappers around a single ``dataset`` stay.

    Args:
        owner: Settings that hold the data set, such as those of a data loader.
        key: Key of the data set in ``owner``, such as ``'dataset'``.
        leaf: Settings of the new data set.
    """
    dataset = owner[key]
    while isinstance(dataset.get('dataset'), MutableMapping):
        owner, key, dataset = dataset, 'dataset', dataset['dataset']
    owner[key] = leaf
