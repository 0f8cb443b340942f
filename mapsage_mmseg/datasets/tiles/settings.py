"""Checks of the arguments of a folder of tiles, and their conversion to its loading steps, bands and classes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import InputError
from ...imagery import Bands
from .dataset_yaml import DatasetSpec

# Arguments of BaseSegDataset that this data set would ignore, and what to do instead.
REFUSED = dict(
    ann_file='tiles are those in img_dir; part and scene divide them',
    data_prefix='images lie in img_dir, labels in ann_dir',
    img_suffix='it stands in dataset.yaml',
    seg_map_suffix='it stands in dataset.yaml',
    ignore_index='it stands in dataset.yaml',
    metainfo='classes and palette stand in dataset.yaml',
    reduce_zero_label="tools/prepare_data.py numbers masks anew, with 'ids: [1, 2, 3]' and 'ignore: [0]' in --classes",
    filter_cfg='this data set filters nothing',
    backend_args='files are read from a folder of this machine',
)
NOTHING = dict(reduce_zero_label=(None, False), ignore_index=(255,))  # values without effect
STANDS_FOR = dict(LoadImageFromFile='LoadRasterImage', LoadAnnotations='LoadRasterLabel')
# These clip or refuse values of other than 8 bits.
EIGHT_BITS = ('PhotoMetricDistortion', 'RandomColourShift', 'CLAHE', 'AdjustGamma', 'RandomGrayscale')
ANY = ('*',)  # any value
# Decoding settings of the replaced steps, and their values that make no difference here.
DECODING: dict[str, tuple[str, ...]] = dict(
    imdecode_backend=ANY, color_type=('color', 'color_ignore_orientation'), ignore_empty=ANY
)


def check_settings(dataset: Mapping[str, Any]) -> None:
    """Checks the config of a folder of tiles before any file is read.

    Args:
        dataset: Config of the data set.

    Raises:
        InputError: As :func:`refuse` and :func:`own_loading`.
    """
    refuse(dict(dataset))
    own_loading(dataset.get('pipeline') or (), None, 1)


def refuse(settings: dict[str, Any]) -> None:
    """Refuses arguments that would be ignored, and removes those without effect.

    Raises:
        InputError: An argument is refused; the message names the first one, its value and what to do instead.
    """
    for key, value in settings.items():
        if key in REFUSED and value not in NOTHING.get(key, (None, '', {})):
            raise InputError(f'dataset.{key}={value!r}: FolderLandCover takes no {key}; {REFUSED[key]}')
    for key in set(REFUSED) & set(settings):
        settings.pop(key)


def own_loading(
    pipeline: Sequence[Any], bands: Mapping[str, Any] | None, max_pixels: int, keep_unlabelled: bool = False
) -> list[Any]:
    """Replaces the loading steps of a pipeline by those of :mod:`mapsage_mmseg.imagery`.

    Raises:
        InputError: A replaced step has a setting that would be lost; or there are bands, and a step works only on
            colours of 8 bits.
    """
    own = dict(
        LoadRasterImage=dict(type='LoadRasterImage', bands=bands, max_pixels=max_pixels),
        LoadRasterLabel=dict(type='LoadRasterLabel', max_pixels=max_pixels, keep_unlabelled=keep_unlabelled),
    )
    steps: list[Any] = []
    for index, step in enumerate(pipeline):
        kind = step.get('type') if isinstance(step, Mapping) else ''
        named = str(getattr(kind, '__name__', kind)).split('.')[-1]
        name = STANDS_FOR.get(named, named)
        if isinstance(step, Mapping) and isinstance(step.get('transforms'), list | tuple) and name not in own:
            inner = [each if isinstance(each, list | tuple) else [each] for each in step['transforms']]
            done = [own_loading(each, bands, max_pixels, keep_unlabelled) for each in inner]
            nested = isinstance(next(iter(step['transforms']), None), list | tuple)
            steps.append({**step, 'transforms': done if nested else [each for part in done for each in part]})
            continue
        if name in own:
            lost = [key for key, value in step.items() if _would_change(key, value)]
            if lost:
                raise InputError(
                    f'dataset.pipeline[{index}].{lost[0]}={step[lost[0]]!r}: over a folder of tiles {name} loads, and '
                    f'takes no {lost[0]} here'
                )
        if bands and name in EIGHT_BITS:
            raise InputError(
                f'dataset.pipeline[{index}].type={name!r} works on red, green and blue of 8 bits; dataset.yaml names '
                'bands, whose values it would spoil: leave it out'
            )
        steps.append(own.get(name, step))
    return steps


def _would_change(key: str, value: Any) -> bool:
    """Returns whether a replaced step has a setting that its replacement does not support."""
    if key == 'type' or value in (None, False):
        return False
    allowed = DECODING.get(key)
    return allowed is None or (allowed != ANY and value not in allowed)


def seen_by_model(spec: DatasetSpec, bands: Mapping[str, Any] | None, root: str) -> DatasetSpec:
    """Returns the content of ``dataset.yaml`` with the model's statistics instead of the folder's.

    Raises:
        InputError: The folder has other bands.
    """
    wanted = Bands.of(dict(bands=bands) if bands else None)
    if wanted is None:
        return spec
    if spec.bands is None or spec.bands.numbers != wanted.numbers:
        raise InputError(f'{root}: {band_names(spec.bands)}; the model takes {band_names(wanted)}')
    return replace(spec, bands=wanted)


def band_names(bands: Bands | None) -> str:
    """Describes bands in words."""
    return f'bands {", ".join(map(str, bands.numbers))}' if bands else 'red, green and blue of 8 bits'


def class_numbers(spec: DatasetSpec, classes: Sequence[str] | None, root: str) -> dict[int, int]:
    """Maps the class numbers of a folder to those of the model, by class name.

    Raises:
        InputError: The model does not know a class.
    """
    known = list(classes or spec.classes)
    strange = [name for name in spec.classes if name not in known]
    if strange:
        raise InputError(
            f'{root}: its classes are {", ".join(spec.classes)}; the model knows {", ".join(known)}, not {strange[0]}'
        )
    return {number: known.index(name) for number, name in enumerate(spec.classes)}
