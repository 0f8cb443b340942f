"""Tuning without a look at the validation tiles: fit on a part of the training scenes, validate on the rest."""

import copy

from mmengine.config import Config
from mmseg.registry import DATASETS

from ..errors import InputError

DIVISIBLE = ('SyntheticLandCover', 'FolderLandCover')


def use_tuning_split(config: Config, scene: str | None = None) -> None:
    """Changes a config in place: it trains on the part ``'fit'`` of its training split and validates on ``'tune'``.

    The teacher's recipe follows its student's config in
    :func:`~mapsage_mmseg.apis.teacher_training.teacher_config`: a teacher that had seen the tuning scenes would give
    them away. Its key differs from that of a teacher of the whole split, because the key holds the data.

    Args:
        config: A config whose training data is the built-in one or a folder of tiles.
        scene: For a folder: regular expression whose first group names a tile's scene; that of ``dataset.yaml`` where
            None.

    Raises:
        InputError: The data cannot be divided.
    """
    train = config.train_dataloader.dataset
    if train.get('type') not in DIVISIBLE:
        raise InputError(
            f'train_dataloader.dataset.type={train.get("type")!r} cannot be divided into scenes to fit and to tune on; '
            f'expected {" or ".join(DIVISIBLE)}'
        )
    if scene is not None:
        if train.type != 'FolderLandCover':
            raise InputError(f'--scene {scene}: the built-in scenes need none; it goes with --data-root')
        train.scene = scene
    tune = copy.deepcopy(train)
    tune.pipeline = config.val_dataloader.dataset.pipeline
    train.part, tune.part = 'fit', 'tune'
    DATASETS.build({**tune, 'pipeline': []})  # what cannot be divided is refused here, not in every run
    config.val_dataloader.dataset, config.test_dataloader.dataset = tune, copy.deepcopy(tune)


def follow_tuning_split(recipe: Config, config: Config) -> None:
    """Divides a teacher's data as its student's is divided, if it is."""
    train = config.train_dataloader.dataset
    if train.get('part'):
        use_tuning_split(recipe, train.get('scene'))
