"""Cutting of images and masks into tiles, with checks and counts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...imagery import Raster, Window, open_raster, to_8_bits
from ...imagery.images import MISSING_RGB, filled, missing_in, other_colours
from ..tiles.dataset_yaml import IGNORE, class_palette
from ..tiles.files import UNLABELLED
from .colours import UNKNOWN, ClassTable
from .pairing import Pair
from .placing import check_place
from .proposed_range import proposed_range
from .remarks import SMALL, Note, remark
from .statistics import Counts, Statistics
from .tiling import tile_name, windows
from .writing import Staging, write_bands, write_image, write_label


@dataclass(frozen=True)
class Cutting:
    """How tiles are cut and written.

    Attributes:
        size: Side of a tile, pixels.
        stride: Pixels from one tile to the next; None spreads as many as fit, rounded, evenly.
        max_ignored: Share of ignored pixels above which a tile is dropped.
        bands: Band numbers of the images, from 1. Empty takes red, green and blue, or the only band; or all bands if
            values are kept.
        span: Values that become black and white in 8-bit tiles; None keeps 8-bit values.
        suffix: Suffix of the tiles' images: ``.png``, ``.jpg``, or ``.tif``, which keeps values and bands.
        quality: JPEG quality.
        unknown_ignored: Ignore mask values that are not in the table, instead of raising an error.
    """

    size: int = 256
    stride: int | None = 256
    max_ignored: float = 0.5
    bands: tuple[int, ...] = ()
    span: tuple[float, float] | None = None
    suffix: str = '.png'
    quality: int = 95
    unknown_ignored: bool = False

    @property
    def keeps(self) -> bool:
        """Returns whether tiles keep the values and bands of the images."""
        return self.suffix == '.tif'


def look_at(
    pairs: Sequence[Pair], table: ClassTable, cutting: Cutting, note: Note = lambda line: None
) -> dict[str, tuple[int, int]]:
    """Checks the headers of all files.

    Args:
        pairs: Images and masks.
        table: The meaning of masks.
        cutting: How they will be cut.
        note: Called with each warning for the user.

    Returns:
        (height, width) of each pair, by name.

    Raises:
        InputError: A file is damaged; an image and its mask differ in size or coordinate system, or lie apart on the
            ground; a mask does not fit the table; an image lacks a band, has other bands than the first image where
            they are kept, or has more or fewer than 8 bits and no ``span`` is given; an image is a negative or has
            another colour space.
    """
    sizes: dict[str, tuple[int, int]] = {}
    turned: list[Path] = []
    first: tuple[Path, tuple[int, ...], np.dtype] | None = None
    for pair in pairs:
        with _image(pair) as image, _mask(pair, table) as mask:
            if mask is not None:
                _check_mask(mask, table, image)
            bands = chosen_bands(image, cutting)
            if cutting.keeps:
                first = first or (image.path, bands, image.dtype)
                _alike(image, bands, *first)
            elif reason := other_colours(image):
                raise InputError(reason)
            elif cutting.span is None and (image.dtype != np.uint8 or image.bits < 8):
                raise InputError(_deep(image, bands))
            sizes[pair.name] = image.height, image.width
            turned += [each.path for each in (image, mask) if each is not None and each.turned]
    remark(note, turned, [pair.image for pair in pairs if min(sizes[pair.name]) < SMALL])
    return sizes


def prepare(
    pairs: Sequence[Pair],
    table: ClassTable,
    splits: Mapping[str, str],
    cutting: Cutting,
    staging: Staging,
    advance: Callable[[int], None] = lambda tiles: None,
) -> Statistics:
    """Cuts the pairs that are not cut yet into tiles.

    Args:
        pairs: Pairs that :func:`look_at` has checked.
        table: The meaning of masks.
        splits: ``'train'`` or ``'val'`` by scene; not used for pairs without a mask.
        cutting: How tiles are cut.
        staging: The staging folder.
        advance: Called with the number of tiles processed since the last call.

    Raises:
        InputError: A mask has a value that is not in the table, a file is damaged, or all tiles of a split are dropped.
    """
    statistics = Statistics(table.classes, cutting.max_ignored)
    for pair in pairs:
        split, counts = split_of(pair, splits), staging.finished(pair.name)
        if counts is None:
            counts = _cut(pair, table, split, cutting, staging, advance)
            staging.finish(pair.name, counts)
        else:
            advance(counts.tiles + counts.dropped)
        statistics.add(split, pair.scene, counts)
    for split, counts in statistics.labelled().items():
        if not counts.pixels.any():
            found = (
                f'{split}: none of {counts.tiles + counts.dropped} tiles holds a class in at least '
                f'{1 - cutting.max_ignored:.0%} of its pixels; raise --max-ignored, or choose other scenes with --val'
            )
            raise InputError('; '.join([found, *statistics.veiled()]))
    return statistics


def split_of(pair: Pair, splits: Mapping[str, str]) -> str:
    """Returns ``'train'`` or ``'val'``, by the pair's scene, or ``'unlabelled'`` if it has no mask."""
    return UNLABELLED if pair.mask is None else splits[pair.scene]


def describe(name: str, table: ClassTable, cutting: Cutting, scene: str) -> dict[str, Any]:
    """Returns the content of ``dataset.yaml``."""
    palette = table.palette or class_palette(Path(), None, len(table.classes))
    return dict(
        name=name,
        classes=list(table.classes),
        palette=[list(colour) for colour in palette],
        ignore_index=IGNORE,
        img_suffix=cutting.suffix,
        seg_map_suffix='.png',
        scene=scene,
    )


def chosen_bands(image: Raster, cutting: Cutting) -> tuple[int, ...]:
    """Returns the numbers of the bands to read.

    Raises:
        InputError: The image lacks a band, or has two and none is chosen.
    """
    colours = image.rgb if len(set(image.rgb)) == 3 else image.rgb[:1]
    usual = tuple(range(1, image.bands + 1)) if cutting.keeps else colours
    bands = cutting.bands or usual
    if not cutting.bands and max(usual) > image.bands:
        raise InputError(f'{image.path} has {image.bands} bands; name those to take: --bands 1')
    if max(bands) > image.bands:
        raise InputError(f'{image.path} has {image.bands} bands; expected band {max(bands)} among them (--bands)')
    return bands


def _deep(image: Raster, bands: Sequence[int]) -> str:
    kind = f'{image.bits}-bit' if image.dtype == np.uint8 else str(image.dtype)
    return (
        f'{image.path} is {kind}, and tiles have 8 bits; keep the values with --format tif, or name those that '
        f'become black and white, for all scenes alike: {proposed_range(image, bands)}'
    )


def _alike(image: Raster, bands: tuple[int, ...], first: Path, expected: tuple[int, ...], dtype: np.dtype) -> None:
    if image.dtype.kind not in 'uif':
        raise InputError(f'{image.path} holds {image.dtype}; expected whole or floating-point numbers')
    if bands != expected or image.dtype != dtype:
        raise InputError(
            f'{image.path} has {len(bands)} bands of {image.dtype}; expected {len(expected)} of {dtype}, as {first} '
            'has: tiles of one data set have the same (--bands)'
        )


def _image(pair: Pair) -> Any:
    return open_raster(pair.image, shrink=pair.shrink)


def _mask(pair: Pair, table: ClassTable) -> Any:
    if pair.mask is None:
        return nullcontext()
    return open_raster(pair.mask, colours=table.by_colour, shrink=pair.shrink, smooth=False)


def _check_mask(mask: Raster, table: ClassTable, image: Raster) -> None:
    if (image.height, image.width) != (mask.height, mask.width):
        raise InputError(
            f'{mask.path} has {mask.width}x{mask.height} pixels; expected {image.width}x{image.height}, as its image '
            f'{image.path} has'
        )
    check_place(image, mask)
    if mask.dtype.kind not in 'iu':
        raise InputError(f'{mask.path} holds {mask.dtype}; expected whole numbers or colours')
    if mask.bands >= 3 and table.palette is None:
        raise InputError(f'{mask.path} is in colours; expected their meaning: the key palette in --classes')
    if mask.bands >= 3 and mask.dtype != np.uint8:
        raise InputError(f'{mask.path} has {mask.bands} bands of {mask.dtype}; expected colours of 8 bits, or one band')


def _cut(
    pair: Pair, table: ClassTable, split: str, cutting: Cutting, staging: Staging, advance: Callable[[int], None]
) -> Counts:
    counts = Counts.none(len(table.classes))
    with _image(pair) as image, _mask(pair, table) as mask:
        bands = chosen_bands(image, cutting)
        veil = image.hides(bands)
        for window in windows(image.height, image.width, cutting.size, cutting.stride):
            pixels, valid = image.read_known(window, bands)
            if veil:
                counts.hide(veil, np.ones(pixels.shape[:2], bool) if valid is None else valid)
            label = _label(mask, table, window, valid, cutting)
            left_out = label == IGNORE if mask is not None else np.zeros_like(label) if valid is None else ~valid
            if left_out.mean() > cutting.max_ignored:
                counts.dropped += 1
            else:
                counts.take(label)
                files = staging.tile_files(split, tile_name(pair.name, window), cutting.suffix)
                missing = missing_in(image, pixels, valid, bands)
                if cutting.keeps:
                    counts.measure(pixels, missing)
                    write_bands(files[0], pixels, valid, image.nodata(bands[0]))
                else:
                    write_image(files[0], _picture(pixels, missing, cutting), cutting.quality)
                if mask is not None:
                    write_label(files[1], label)
            advance(1)
    return counts


def _picture(pixels: NDArray[Any], missing: NDArray[np.bool_] | None, cutting: Cutting) -> NDArray[np.uint8]:
    """Returns a tile's image in 8 bits; a grey one with missing pixels becomes RGB, to use the usual fill colour."""
    picture = to_8_bits(pixels, cutting.span)
    if missing is not None and picture.shape[-1] == 1:
        picture = picture.repeat(3, -1)
    return filled(picture, missing, MISSING_RGB)


def _label(
    mask: Raster | None, table: ClassTable, window: Window, valid: NDArray[np.bool_] | None, cutting: Cutting
) -> NDArray[np.uint8]:
    if mask is None:
        return np.full((window.height, window.width), IGNORE, np.uint8)
    pixels = mask.read(window, (1, 2, 3) if mask.bands >= 3 else (1,))
    label = table.labels(pixels)
    if valid is not None:
        label[~valid] = IGNORE
    unknown = label == UNKNOWN
    if unknown.any():
        if not cutting.unknown_ignored:
            row, column = np.argwhere(unknown)[0]
            raise InputError(
                _strange(mask.path, window.row + row, window.column + column, pixels[row, column].tolist())
            )
        label[unknown] = IGNORE
    return label


def _strange(path: Path, row: int, column: int, value: Sequence[int]) -> str:
    colours = len(value) == 3
    what = 'colour [{}, {}, {}] (#{:02x}{:02x}{:02x})'.format(*value, *value) if colours else f'number {value[0]}'
    where = 'palette' if colours else 'ids'
    lossy = '; JPEG changes colours, masks want PNG or TIFF' if path.suffix.lower() in ('.jpg', '.jpeg') else ''
    return (
        f'{path}: {what} at row {row}, column {column}; expected one of a class (its {where}) or one to ignore, as '
        f'--classes has them; --unknown ignore takes it for unlabelled{lossy}'
    )
