"""The data sets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``, in a config."""

from collections.abc import Iterator, MutableMapping
from typing import Any

Settings = MutableMapping[str, Any]


def leaves(dataset: Settings) -> Iterator[Settings]:
    """The settings of the data sets that read files, from left to right; of one without a wrapper, itself."""
    inner = dataset.get(
        'datasets', [dataset['dataset']] if isinstance(dataset.get('dataset'), MutableMapping) else None
    )
    if not inner or not isinstance(inner, list | tuple):
        yield dataset
        return
    for each in inner:
        yield from leaves(each)


def put_leaf(owner: Settings, key: str, leaf: Settings) -> None:
    """Puts a data set in the place of the one that ``owner[key]`` is or wraps; wrappers stay.

    Args:
        owner: Whose key it is, such as a data loader's ``'dataset'``.
        key: Of the data set.
        leaf: Its settings.
    """
    dataset = owner[key]
    while isinstance(dataset.get('dataset'), MutableMapping):
        owner, key, dataset = dataset, 'dataset', dataset['dataset']
    owner[key] = leaf
