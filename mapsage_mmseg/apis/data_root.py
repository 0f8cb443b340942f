"""Putting a folder of the user's own tiles in the place of a config's data."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmseg.registry import MODELS

from ..datasets import Bands, check_folder, read_dataset_yaml
from ..engine.processes import from_first
from ..errors import InputError
from .config import configs_dir, load_config

BUILT_IN_RECIPE, TILES_RECIPE = 'teacher.py', 'teacher_tiles.py'


def apply_data_root(config: Config, data_root: str) -> None:
    """Changes a config in place: data sets, class counts and the teacher's recipe follow from the folder.

    Args:
        config: Any config of this package.
        data_root: Folder with ``img_dir``, ``ann_dir`` and ``dataset.yaml``.

    Raises:
        InputError: As ``read_dataset_yaml``.
    """
    root = Path(data_root).expanduser()
    if not root.is_dir():
        raise InputError(f'--data-root {data_root}: no such folder; it must hold img_dir, ann_dir and dataset.yaml')
    spec = read_dataset_yaml(root)
    folder = load_config(configs_dir() / '_base_' / 'datasets' / 'folder.py')
    for split in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = folder[split].dataset
        dataset.data_root = str(root.resolve())
        config[split].dataset = dataset
    config.crop_size = folder.crop_size
    set_classes(config, len(spec.classes))
    if config.get('teacher_recipe') == BUILT_IN_RECIPE:  # one that the user chose stays
        use_recipe(config, TILES_RECIPE)
    if spec.bands:
        set_bands(config, spec.bands)


def set_bands(config: Config, bands: Bands) -> None:
    """Has every model in the config take these bands, and normalise them by their own statistics.

    Raises:
        InputError: A backbone takes red, green and blue alone; it is named.
    """
    seen = dict(mean=list(bands.mean), std=list(bands.std), bgr_to_rgb=False, rgb_to_bgr=False)
    for node in _dicts(config.model):
        if node.get('type') == 'SegDataPreProcessor':
            node.update(seen)
        if isinstance(node.get('backbone'), dict):
            backbone = node['backbone']
            _take_bands(backbone['stem'] if isinstance(backbone.get('stem'), dict) else backbone, len(bands.numbers))


def _take_bands(module: ConfigDict, count: int) -> None:
    kind = MODELS.get(module.type) if isinstance(module.get('type'), str) else module.get('type')
    if kind is None:  # a type that nobody registered: who checks the config says so
        return
    takes = inspect.signature(kind).parameters
    if 'in_channels' in takes:
        module.in_channels = count
    elif count != 3:
        raise InputError(
            f'backbone {kind.__name__} takes three bands, and dataset.yaml names {count}; take one that has '
            'in_channels, such as MixVisionTransformer, MSCAN or LightweightViT'
        )
    if 'input_mean' in takes:
        module.input_mean = module.input_std = None


def check_data(dataset: ConfigDict) -> None:
    """Reads every file of a folder once, as a dataset of the config would.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.check_folder`.
    """
    limits = {key: dataset[key] for key in ('max_pixels', 'follow_links') if key in dataset}
    root = dataset.data_root
    from_first(lambda: check_folder(root, read_dataset_yaml(root), **limits))


def set_classes(config: Config, classes: int) -> None:
    """Gives every head in the config that many classes; one dotted key would reach a single head."""
    for node in _dicts(config._cfg_dict):
        if 'num_classes' in node:
            node['num_classes'] = classes


def use_recipe(config: Config, name: str) -> None:
    """Makes a config distil from the teacher of another recipe."""
    recipe = load_config(configs_dir() / 'distill' / name)
    classes = config.model.architecture.decode_head.num_classes
    set_classes(recipe, classes)
    config.teacher_recipe = name
    config.model.teacher = recipe.model
    print_log(
        f'Teacher: recipe {name}, the one for real tiles (stem {recipe.model.backbone.stem.type}); the built-in data '
        'has one that needs no pretrained weights',
        'current',
    )


def _dicts(node: Any) -> Iterator[ConfigDict]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _dicts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _dicts(value)
