"""Replacement of a config's data by the user's own folder."""

import inspect
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import nn

from ..datasets.leaves import leaves, put_leaf
from ..datasets.stock import check_layout, has_own_layout
from ..datasets.tiles.dataset import check_folder
from ..datasets.tiles.dataset_yaml import read_dataset_yaml
from ..datasets.tiles.files import has_unlabelled
from ..datasets.tiles.settings import EIGHT_BITS, check_settings
from ..engine.processes import from_first
from ..errors import InputError
from ..imagery import Bands
from ..imagery.loading import UNLABELLED
from .load import configs_dir, load_config

BUILT_IN_RECIPE, TILES_RECIPE = 'teacher.py', 'teacher_tiles.py'
UNLABELLED_TOO = ('unlabelled', 'everywhere')  # values of model.distill_where that learn from pixels without a label
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def apply_data_root(config: Config, data_root: str) -> None:
    """Changes a config in place, so that it reads its data from another folder.

    For a config over one of MMSegmentation's own data sets, the folder is that data set's. For any other config it is a
    folder of tiles, from which class counts and the teacher's recipe are derived. A data set of the config that already
    reads such a folder keeps its settings.

    Args:
        config: Any config of this package.
        data_root: Folder with ``img_dir``, ``ann_dir`` and ``dataset.yaml``, or in the layout of the config's data set.

    Raises:
        InputError: As ``read_dataset_yaml``; or it is a folder of tiles, and the config has a data set of its own.
    """
    root = Path(data_root).expanduser()
    if any(has_own_layout(leaf) for leaf in leaves(config.train_dataloader.dataset)):
        _move(config, root)
        return
    if not root.is_dir():
        raise InputError(f'--data-root {data_root}: no such folder; it must hold img_dir, ann_dir and dataset.yaml')
    spec = read_dataset_yaml(root)
    folder = load_config(configs_dir() / '_base_' / 'datasets' / config.get('tiles_dataset', 'folder.py'))
    for split in LOADERS:
        leaf = one_leaf(config, split, data_root)
        if leaf.get('type') != 'FolderLandCover':  # otherwise its own settings apply
            if spec.bands:
                _leave_out_colours(folder[split].dataset)
            put_leaf(config[split], 'dataset', folder[split].dataset)
            if split == 'train_dataloader':
                _pad(config, folder.crop_size)
        one_leaf(config, split, data_root).data_root = str(root.resolve())
    set_classes(config, len(spec.classes))
    if config.get('teacher_recipe') == BUILT_IN_RECIPE:  # a recipe that the user chose stays
        use_recipe(config, TILES_RECIPE)
    if spec.bands:
        set_bands(config, spec.bands)


def one_leaf(config: Config, split: str, data_root: str) -> ConfigDict:
    """Returns the one data set of a loader that reads files.

    Raises:
        InputError: There are several, so ``--data-root`` is ambiguous.
    """
    found = list(leaves(config[split].dataset))
    if len(found) > 1:
        raise InputError(
            f'--data-root {data_root}: {split}.dataset joins {len(found)} data sets; name their folders in the config, '
            'by data_root of each'
        )
    return found[0]


def use_unlabelled(config: Config) -> None:
    """Adds the unlabelled tiles of the folder to the training data of a config that distils on pixels without a label.

    The default is at most one for each labelled tile. Other configs leave these tiles out. A missing folder is logged.
    """
    dataset, asks = config.train_dataloader.dataset, config.model.get('distill_where') in UNLABELLED_TOO
    if asks:
        _keep_unlabelled(config)
    if dataset.get('type') != 'FolderLandCover':
        if asks and any(leaf.get('type') == 'FolderLandCover' for leaf in leaves(dataset)):
            print_log(
                f'Tiles without labels are left out: {dataset.type} wraps the folder of tiles',
                'current',
                logging.WARNING,
            )
        return
    folder = f'{dataset.get("data_root")}/img_dir/unlabelled'
    found, given = has_unlabelled(dataset.get('data_root') or '.'), 'unlabelled' in dataset
    share = dataset.pop('unlabelled', 1.0)
    if asks:
        if not found:
            print_log(f'{folder} does not exist: there are labelled tiles alone', 'current', logging.WARNING)
        elif share:
            dataset.unlabelled = float(share) if isinstance(share, int) else share  # 1 and 1.0 give the same key
            print_log(f'{folder}: at most {share} of its tiles for each labelled one in an epoch', 'current')
    elif given and share:
        print_log(
            f"train_dataloader.dataset.unlabelled={share} does nothing without model.distill_where='unlabelled', as "
            'configs/distill/recommended_unlabelled.py has it',
            'current',
            logging.WARNING,
        )
    elif found and config.model.get('teacher') is not None:
        print_log(f'{folder} is left out; configs/distill/recommended_unlabelled.py learns from it', 'current')


def _keep_unlabelled(config: Config) -> None:
    """Has pixels without a label distinguished from padded ones, if all data are folders of tiles."""
    folders = list(leaves(config.train_dataloader.dataset))
    if all(leaf.get('type') == 'FolderLandCover' for leaf in folders):
        for leaf in folders:
            leaf['keep_unlabelled'] = True
        config.model.unlabelled_label = UNLABELLED


def _leave_out_colours(dataset: ConfigDict) -> None:
    """Removes colour distortions for 8 bits from a pipeline, for tiles with other values."""
    dataset.pipeline = [step for step in dataset.pipeline if step.type not in EIGHT_BITS]


def _pad(config: Config, size: Sequence[int]) -> None:
    for node in _dicts(config._cfg_dict):
        if node.get('type') == 'SegDataPreProcessor':
            node.size = tuple(size)  # tiles smaller than a crop are padded to it


def set_bands(config: Config, bands: Bands) -> None:
    """Makes every model in the config take these bands, normalised by their own statistics.

    Raises:
        InputError: A backbone takes only red, green and blue; the message names it.
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
    if kind is None:  # an unregistered type, which check_config reports
        return
    takes = inspect.signature(kind).parameters
    if 'in_channels' in takes:
        module.in_channels = count
    if count != 3 and not ('in_channels' in takes and _has_first_layer_for(count, module, kind)):
        raise InputError(
            f'backbone {kind.__name__} takes three bands, and dataset.yaml names {count}; take one whose in_channels '
            'sets how many, such as MixVisionTransformer or LightweightViT'
        )
    if 'input_mean' in takes:
        module.input_mean = module.input_std = None


def _has_first_layer_for(count: int, module: ConfigDict, kind: type) -> bool:
    """Returns whether a backbone's first convolution has that many bands: MSCAN ignores its ``in_channels``."""
    if kind.__module__.startswith('mapsage_mmseg'):
        return True
    try:
        built = MODELS.build({**module, 'init_cfg': None})
    except Exception:  # arguments that it does not take, which check_config reports
        return True
    first = next((part for part in built.modules() if isinstance(part, nn.Conv2d)), None)
    return first is None or first.in_channels == count


def _move(config: Config, root: Path) -> None:
    if (root / 'dataset.yaml').is_file():
        raise InputError(
            f'--data-root {root} has a dataset.yaml, which configs over tiles of your own read, such as '
            f'configs/distill/improved.py; this one reads {one_leaf(config, LOADERS[0], str(root)).type} in its layout'
        )
    for split in LOADERS:
        one_leaf(config, split, str(root)).data_root = str(root.resolve())


def check_data(config: Config, every_file: bool, loaders: Sequence[str] = LOADERS[:2]) -> None:
    """Checks that the data are in place.

    Args:
        config: A config.
        every_file: Whether to read every file of a folder of tiles, as a dataset of the config would.
        loaders: Loaders whose datasets are checked.

    Raises:
        InputError: As ``check_folder`` and :func:`~mapsage_mmseg.datasets.check_layout`.
    """
    datasets = [leaf for name in loaders if config.get(name) for leaf in leaves(config[name].dataset)]
    for dataset in filter(has_own_layout, datasets):
        from_first(partial(check_layout, dataset))
    folders = {each['data_root']: each for each in reversed(datasets) if each.get('type') == 'FolderLandCover'}
    for tiles in folders.values():
        check_settings(tiles)
    for root, tiles in folders.items() if every_file else ():
        limits = {key: tiles[key] for key in ('max_pixels', 'follow_links') if key in tiles}
        check = partial(check_folder, root, read_dataset_yaml(root), unlabelled=bool(tiles.get('unlabelled')), **limits)
        from_first(check)


def set_classes(config: Config, classes: int) -> None:
    """Sets the number of classes of every head in the config; one dotted key would reach a single head."""
    for node in _dicts(config._cfg_dict):
        if 'num_classes' in node:
            node['num_classes'] = classes


def use_recipe(config: Config, name: str) -> None:
    """Makes a config distil from the teacher of another recipe."""
    recipe = load_config(configs_dir() / 'distill' / name)
    head = config.model.architecture.decode_head
    classes = (head[-1] if isinstance(head, list) else head).num_classes
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
