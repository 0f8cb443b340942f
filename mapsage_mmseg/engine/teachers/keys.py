"""Keys that identify data and recipes by their content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...datasets.leaves import leaves
from ...datasets.stock import has_own_layout, names_and_sizes
from ...datasets.tiles.dataset import HANDLING
from ...datasets.tiles.dataset_yaml import read_dataset_yaml
from ...datasets.tiles.files import fingerprint, unlabelled_fingerprint

SETTINGS = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'randomness',
)
PLACES = ('data_root', 'ann_file')  # may change when a data set is moved; its files make the key


def data_key(config: Config, loaders: Sequence[str] = ('train_dataloader', 'val_dataloader')) -> str:
    """Returns the key of a config's data: the datasets as configured and, for a folder, its files.

    Files of data sets in MMSegmentation's own layouts count by name and size. Tiles without a label do not count, so
    that a student that learns from them is measured on the same data as one that does not.

    Args:
        config: The run's config.
        loaders: Loaders whose datasets count.
    """
    parts: list[Any] = []
    for split in loaders:
        parts.append(without(config[split]['dataset'], 'pipeline', 'unlabelled', 'keep_unlabelled', *PLACES, *HANDLING))
    train, *more = leaves(config.train_dataloader.dataset)
    root: Any = train.get('data_root')
    if train.get('type') == 'FolderLandCover':
        spec = read_dataset_yaml(root)
        parts.append(fingerprint(root, spec))
        if train.get('part'):  # the scenes decide which part a tile belongs to
            parts.append(train.get('scene') or spec.scene)
        validated = [leaf for split in loaders for leaf in leaves(config[split].dataset)]
        others: set[Any] = {leaf.get('data_root') for leaf in (*more, *validated)} - {root, None}
        parts += [fingerprint(other, read_dataset_yaml(other)) for other in sorted(others)]
    elif root and Path(root).is_dir() and has_own_layout(train):
        parts += [names_and_sizes(leaf) for split in loaders for leaf in leaves(config[split]['dataset'])]
    else:
        parts.append(root)
    return digest(parts)


def without(settings: Any, *names: str) -> Any:
    """Returns settings without some keys, at every depth of a data set and its wrappers."""
    if isinstance(settings, Mapping):
        return {key: without(value, *names) for key, value in settings.items() if key not in names}
    if isinstance(settings, list | tuple):
        return [without(value, *names) for value in settings]
    return settings


def unlabelled_key(config: Config) -> str | None:
    """Returns the key of the tiles without a label that a config trains on; None if it has none."""
    dataset = config.train_dataloader.dataset
    if not dataset.get('unlabelled'):
        return None
    return unlabelled_fingerprint(dataset.data_root, read_dataset_yaml(dataset.data_root))


def scored_key(config: Config) -> str:
    """Returns the key of a config's validation data.

    A teacher may train on more data than its student, and be scored on the same.
    """
    return data_key(config, ('val_dataloader',))


def content_key(recipe: Config) -> str:
    """Returns the key of a teacher: a digest of its recipe and data, and for an ensemble of its members' keys.

    The same key means the same teacher.
    """
    settings = {key: recipe.get(key) for key in (*SETTINGS, *(['member_keys'] if recipe.get('members') else []))}
    settings = json.loads(json.dumps(settings, default=str))
    for split in ('train_dataloader', 'val_dataloader'):
        settings[split]['dataset'] = without(settings[split]['dataset'], *PLACES, *HANDLING)
        settings[split].pop('num_workers', None)
        settings[split].pop('persistent_workers', None)
    return digest([settings, data_key(recipe)])


def digest(content: Any) -> str:
    """Returns the digest of JSON content, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
