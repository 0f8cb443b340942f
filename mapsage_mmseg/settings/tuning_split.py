"""Tuning split: a part of the training scenes replaces the validation tiles."""

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from ..datasets.stock import divide, has_own_layout
from ..errors import InputError
from ..whole_file import write_text

DIVISIBLE = ('SyntheticLandCover', 'FolderLandCover')
LISTS = 'tuning_lists'  # key of a config: by part, the file that lists its images


def use_tuning_split(config: Config, scene: str | None = None, folder: str | Path = '.') -> None:
    """Makes a config train on one part of its training split, ``'fit'``, and validate on the other, ``'tune'``.

    The config is changed in place. The teacher's recipe follows its student's config in
    :func:`~mapsage_mmseg.training.teacher_training.teacher_config`: a teacher that had seen the tuning scenes would
    leak them. Its key differs from that of a teacher of the whole split, because the key covers the data.

    Args:
        config: A config whose training data is the built-in one, a folder of tiles, or one of MMSegmentation's sets.
        scene: Regular expression whose first group names an image's scene; None for that of ``dataset.yaml`` or of
            MMSegmentation's converter.
        folder: Folder for the lists of the two parts, which MMSegmentation's own data sets read.

    Raises:
        InputError: The data cannot be divided, or the folder holds lists of another division.
    """
    train = config.train_dataloader.dataset
    if has_own_layout(train):
        config[LISTS] = _written(divide(train, scene), Path(folder).resolve())
        _divided(config, 'ann_file', config[LISTS])
        return
    if train.get('type') not in DIVISIBLE:
        raise InputError(
            f'train_dataloader.dataset.type={train.get("type")!r} cannot be divided into scenes to fit and to tune on; '
            f"expected {', '.join(DIVISIBLE)} or a data set of MMSegmentation's on this machine"
        )
    if scene is not None:
        if train.type != 'FolderLandCover':
            raise InputError(f'--scene {scene}: the built-in scenes need none; it goes with --data-root')
        train.scene = scene
    _divided(config, 'part', dict(fit='fit', tune='tune'))
    # Refuse data that cannot be divided here, not in every run.
    DATASETS.build({**config.val_dataloader.dataset, 'pipeline': []})


def follow_tuning_split(recipe: Config, config: Config) -> None:
    """Divides a teacher's data in the same way as its student's, if that is divided."""
    train = config.train_dataloader.dataset
    if config.get(LISTS):
        _divided(recipe, 'ann_file', config[LISTS])
    elif train.get('part'):
        use_tuning_split(recipe, train.get('scene'))


def _divided(config: Config, key: str, values: Mapping[str, str]) -> None:
    """Trains on one part and validates on the other, with the pipeline of the validation data."""
    train = config.train_dataloader.dataset
    tune = copy.deepcopy(train)
    tune.pipeline = config.val_dataloader.dataset.pipeline
    train[key], tune[key] = values['fit'], values['tune']
    config.val_dataloader.dataset, config.test_dataloader.dataset = tune, copy.deepcopy(tune)


def _written(parts: Mapping[str, list[str]], folder: Path) -> dict[str, str]:
    files = {part: folder / f'{part}.txt' for part in parts}
    for part, names in parts.items():
        file, text = files[part], '\n'.join(names) + '\n'
        if file.is_file() and file.read_text(encoding='utf-8') != text:
            raise InputError(f'{file} lists other images than this command; take another --study, or the same data')
        write_text(file, text)
    print_log(f'Divided by scene: {len(parts["fit"])} images to fit, {len(parts["tune"])} to tune on', 'current')
    return {part: str(file) for part, file in files.items()}
