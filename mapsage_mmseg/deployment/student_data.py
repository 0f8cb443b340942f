"""The data that a trained student is scored and shown on: those of its run, or of ``--data-root``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..datasets.stock import check_layout, has_own_layout
from ..datasets.tiles.dataset_yaml import DatasetSpec, read_dataset_yaml
from ..datasets.tiles.settings import band_names, class_numbers
from ..errors import InputError
from ..imagery import Bands
from .predictor import Predictor
from .student.files import data_name
from .student.student import Student


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a checkpoint's model: the names of its classes, in order, and the bands that it takes."""

    classes: tuple[str, ...]
    bands: Bands | None


def data_of(
    config: Config | None, split: str, data_root: str | None, student: Student | Predictor
) -> Mapping[str, Any]:
    """Returns the data set of a split.

    Args:
        config: Config of the student's run or export; None if there is none.
        split: ``'train'`` or ``'val'``.
        data_root: A folder of tiles; or, for a run on one of MMSegmentation's own data sets, a folder in that layout.
            None for the run's own data.
        student: The student that reads the data.

    Raises:
        InputError: The data is missing, or has other classes or bands.
    """
    own = (config or {}).get(f'{split}_dataloader')
    if data_root is None:
        if not own:
            raise InputError(f'the config has no {split}_dataloader; name a folder of tiles with --data-root')
        return own.dataset
    root = Path(data_root).expanduser()
    if not root.is_dir():
        raise InputError(f'--data-root {data_root}: no such folder')
    if own and _keeps_layout(own.dataset, data_root):
        moved = {**own.dataset, 'data_root': str(root.resolve())}
        check_layout(moved)
        return moved
    check_fits(root, student)
    return dict(type='FolderLandCover', data_root=str(root.resolve()), split=split, **as_model_knows(student))


def as_model_knows(student: Student | Predictor | ModelFacts) -> dict[str, Any]:
    """Returns arguments that fit a folder of tiles to a model: its classes in order, its bands and their statistics."""
    bands = dict(bands=student.bands.as_dict()) if student.bands else {}
    return dict(classes=list(student.classes), **bands)


def stock_data(student: Student, config: Config, data_root: str | None) -> dict[str, Any]:
    """Returns the validation data for MMSegmentation alone, without a pipeline and with a relative folder.

    If a folder of tiles is neither named nor found, the defaults of ``dataset.yaml`` are assumed.

    Args:
        student: The student that was trained on the data.
        config: Config of its run or export.
        data_root: As for :func:`data_of`.

    Raises:
        InputError: As :func:`data_of`; or the classes of a named folder are in another order.
    """
    own = (config.get('val_dataloader') or {}).get('dataset') or {}
    if own and _keeps_layout(own, data_root):
        taken = data_of(config, 'val', data_root, student)
        kept = {key: value for key, value in taken.items() if key != 'pipeline'}
        return {**kept, 'data_root': f'data/{data_name(student)}'}
    if data_root:
        spec = check_fits(Path(data_root).expanduser(), student)
        if spec.classes != tuple(student.classes):
            raise InputError(
                f'--data-root {data_root}: its classes are {", ".join(spec.classes)}, in this order; stock mmseg '
                f'renumbers none: it wants {", ".join(student.classes)}'
            )
    else:
        try:
            spec = read_dataset_yaml(own.get('data_root') or '')
        except InputError:
            spec = DatasetSpec(data_name(student), student.classes, student.palette, 255, '.png', '.png')
    return dict(
        type='BaseSegDataset',
        data_root=f'data/{spec.name}',
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        img_suffix=spec.img_suffix,
        seg_map_suffix=spec.seg_map_suffix,
        ignore_index=spec.ignore_index,
        reduce_zero_label=False,
        metainfo=dict(classes=list(student.classes), palette=[list(colour) for colour in student.palette]),
    )


def _keeps_layout(own: Mapping[str, Any], data_root: str | None) -> bool:
    """Returns whether the run's data, or the folder that replaces it, has the layout of MMSegmentation's data sets."""
    named = data_root is not None and (Path(data_root).expanduser() / 'dataset.yaml').is_file()
    return has_own_layout(own) and not named


def check_fits(root: str | Path, student: Student | Predictor | ModelFacts) -> DatasetSpec:
    """Checks that a folder of tiles fits a model, and returns the content of its ``dataset.yaml``.

    Raises:
        InputError: The folder has a class that the model does not know, or other bands.
    """
    spec = read_dataset_yaml(root)
    class_numbers(spec, student.classes, f'--data-root {root}')
    if band_names(spec.bands) != band_names(student.bands):
        raise InputError(f'--data-root {root}: {band_names(spec.bands)}; the student takes {band_names(student.bands)}')
    return spec
