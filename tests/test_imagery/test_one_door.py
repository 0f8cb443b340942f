"""Every tool that reads an image gets the same pixels of it, or refuses it for the same reason."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image

from mapsage_mmseg.datasets.prepare.colours import ClassTable
from mapsage_mmseg.datasets.prepare.pairing import Pair
from mapsage_mmseg.datasets.prepare.preparing import Cutting, look_at, prepare
from mapsage_mmseg.datasets.prepare.writing import Staging
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.deployment.demo.uploads import read_upload
from mapsage_mmseg.deployment.export.scored_tiles import Tiles
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import Bands, read_image
from mapsage_mmseg.imagery.images import MISSING_RGB
from mapsage_mmseg.imagery.scene_reader import Scene

H, W = 40, 48
HOLE = np.s_[4:9, 6:20]  # where files declare that nothing is known
DTYPES = ('uint8', 'uint16', 'int16', 'float32')
COUNTS = (1, 2, 3, 4, 5)
PHOTOMETRIC = (None, 'MINISBLACK', 'RGB', 'MINISWHITE')
ALPHA = (None, 'YES')
ORIENTATION = (None, 6)
MISSING = (None, 'nodata', 'mask', 'nan')
COMPRESS = (None, 'DEFLATE', 'LZW', 'ZSTD', 'LERC', 'PACKBITS')
LOADING = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


def combinations():
    """All that a TIFF can be at once; what libtiff does not write is left out by name."""
    for combination in itertools.product(DTYPES, COUNTS, PHOTOMETRIC, ALPHA, ORIENTATION, MISSING, COMPRESS):
        dtype, count, photometric, alpha, _, missing, compress = combination
        if photometric == 'RGB' and count < 3 or photometric == 'MINISWHITE' and (count > 1 or dtype != 'uint8'):
            continue
        if alpha and (
            count not in (2, 4) or photometric is None and count == 4
        ):  # the default marks the fourth already
            continue
        if missing == 'nan' and dtype != 'float32' or compress == 'LERC' and missing is not None:
            continue
        yield combination


GROUPS = [
    pytest.param([each for each in combinations() if (each[0], each[1]) == group], id=f'{group[0]}x{group[1]}')
    for group in itertools.product(DTYPES, COUNTS)
]


def stored_pixels(dtype, count, missing):
    """(H, W, count), no two bands alike, none 0."""
    rows, columns, band = np.ogrid[:H, :W, :count]
    pixels = ((rows * 5 + columns * 3 + band * 40) % 200 + 20).astype(dtype)
    if dtype != 'uint8':
        pixels *= 7
    if missing == 'nodata':
        pixels[HOLE] = NODATA[dtype]
    if missing == 'nan':
        pixels[HOLE] = np.nan
    return pixels


NODATA = dict(uint8=0, uint16=0, int16=-9999, float32=-9999)


def write(file: Path, combination) -> np.ndarray:
    dtype, count, photometric, alpha, orientation, missing, compress = combination
    pixels = stored_pixels(dtype, count, missing)
    options = dict(photometric=photometric, ALPHA=alpha, compress=compress)
    options = {key: value for key, value in options.items() if value is not None}
    if missing == 'nodata':
        options['nodata'] = NODATA[dtype]
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(file, 'w', driver='GTiff', height=H, width=W, count=count, dtype=dtype, **options) as target,
    ):
        target.write(np.moveaxis(pixels, -1, 0))
        if missing == 'mask':
            known = np.ones((H, W), bool)
            known[HOLE] = False
            target.write_mask(known)
    if orientation:
        turn(file, orientation)
    return pixels


def turn(file: Path, orientation: int) -> None:
    """Adds TIFF's tag 274 in the place of another that no reader needs (Software-like tags are not written by GDAL): by
    a new directory at the end of the file."""
    content = bytearray(file.read_bytes())
    start = int.from_bytes(content[4:8], 'little')
    entries = int.from_bytes(content[start : start + 2], 'little')
    tags = [bytes(content[start + 2 + 12 * i : start + 14 + 12 * i]) for i in range(entries)]
    after = bytes(content[start + 2 + 12 * entries : start + 6 + 12 * entries])
    tags = [tag for tag in tags if int.from_bytes(tag[:2], 'little') != 274]
    tags.append(
        b''.join(number.to_bytes(size, 'little') for number, size in ((274, 2), (3, 2), (1, 4), (orientation, 4)))
    )
    tags.sort(key=lambda tag: int.from_bytes(tag[:2], 'little'))
    content += bytes(len(content) % 2)
    content[4:8] = len(content).to_bytes(4, 'little')
    file.write_bytes(bytes(content) + len(tags).to_bytes(2, 'little') + b''.join(tags) + after)


def expected_rgb(pixels, combination):
    """What an 8-bit model is given, worked out from what was written; or None where it is refused."""
    dtype, count, photometric, alpha, _, missing, _ = combination
    marked_alpha = alpha == 'YES' or dtype == 'uint8' and count == 4 and photometric in (None, 'RGB') and not alpha
    colours = count - (1 if marked_alpha or alpha else 0)
    if dtype != 'uint8' or photometric == 'MINISWHITE' or colours == 2 or (count == 2 and not alpha):
        return None
    image = pixels[..., [0, 0, 0]] if colours == 1 else pixels[..., :3]
    return filled(image, missing, MISSING_RGB)


def filled(image, missing, mean):
    image = image.copy()
    if missing is not None:
        image[HOLE] = np.asarray(mean)
    return image


def folder(root: Path, bands: Bands | None) -> Path:
    """A folder of tiles around the image that is there."""
    for split in ('train', 'val'):
        label = root / 'ann_dir' / split / 'a.png'
        label.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(H * W, dtype=np.uint32).reshape(H, W).astype(np.uint8) % 2).save(label)
    lines = ['name: any', 'classes: [x, y]', 'img_suffix: .tif']
    lines += [f'{key}: {list(values)}' for key, values in (bands.as_dict().items() if bands else ())]
    (root / 'dataset.yaml').write_text('\n'.join(lines).replace('numbers:', 'bands:'))
    return root


def by_data_set(root, bands):
    sample = FolderLandCover(str(root), pipeline=LOADING, max_unreadable=0.0)[0]
    image = sample['inputs'].numpy().transpose(1, 2, 0)
    return image if bands else image[..., ::-1]


def by_tiles(root, bands):
    return next(iter(Tiles(dict(type='FolderLandCover', data_root=str(root), split='val'))))[0]


def by_windows(root, bands):
    """As a scene is predicted: window by window."""
    with Scene(root / 'img_dir/train/a.tif', wanted=bands) as scene:
        rows = [[scene.read(row, column, 20, 16)[0] for column in range(0, W, 16)] for row in range(0, H, 20)]
    return np.concatenate([np.concatenate(row, 1) for row in rows])


def by_upload(root, bands):
    return read_upload(root / 'img_dir/train/a.tif', wanted=bands)[0]


def by_prepared_tile(root, bands):
    """As training reads the tile that prepare_data.py makes of it."""
    files = root / 'img_dir/train/a.tif', root / 'ann_dir/train/a.png'
    pairs = [Pair(name, *files, name) for name in ('fit', 'val')]
    table, staging = ClassTable(('x', 'y')), Staging(root / ('values' if bands else 'colours'), {})
    suffix, numbers = ('.tif', bands.numbers) if bands else ('.png', ())
    cutting = Cutting(64, 64, max_ignored=0.9, suffix=suffix, bands=numbers)
    look_at(pairs, table, cutting)
    prepare(pairs, table, {'fit': 'train', 'val': 'val'}, cutting, staging)
    tile = staging.tile_files('train', 'fit_r0000_c0000', suffix)[0]
    again = Bands(tuple(range(1, len(numbers) + 1)), bands.mean, bands.std) if bands else None
    return read_image(tile, again)[0]


READERS = (by_data_set, by_tiles, by_windows, by_upload)


def readers(combination):
    """Preparing writes to disk, for which one compression of all will do."""
    return READERS if combination[-1] else (*READERS, by_prepared_tile)


def refusal(reader, root, bands):
    with pytest.raises(InputError) as caught:
        reader(root, bands)
    return str(caught.value)


def test_there_are_many():
    assert sum(len(group.values[0]) for group in GROUPS) > 1000


@pytest.mark.parametrize('group', GROUPS)
def test_all_readers_give_what_was_stored_or_one_refusal(tmp_path, group):
    for number, combination in enumerate(group):
        root = tmp_path / str(number)
        pixels = write(root / 'img_dir/train/a.tif', combination)
        write(root / 'img_dir/val/a.tif', combination)
        _in_8_bits(root, pixels, combination)
        _by_statistics(root, pixels, combination)


def _in_8_bits(root, pixels, combination):
    folder(root, None)
    expected = expected_rgb(pixels, combination)
    if expected is not None:
        check_folder(root, read_dataset_yaml(root))
        for reader in readers(combination):
            found = reader(root, None)
            assert found.dtype == np.uint8 and np.array_equal(found, expected), (combination, reader.__name__)
        return
    reason = refusal(lambda root, bands: check_folder(root, read_dataset_yaml(root)), root, None)
    said = reason.partition(';')[0].replace('/val/', '/train/')
    for reader in (by_windows, by_upload):
        assert Path(said.split(' ')[0]).name in refusal(reader, root, None), combination
        assert said.split('a.tif')[1] in refusal(reader, root, None), (combination, reader.__name__)
    assert 'MINISWHITE' in reason or _lines_for_yaml(reason).keys() == {'bands', 'mean', 'std'}, combination


def _lines_for_yaml(reason):
    return yaml.safe_load(
        '\n'.join(line for line in reason.splitlines() if line.startswith(('bands:', 'mean:', 'std:')))
    )


def _by_statistics(root, pixels, combination):
    count, missing = combination[1], combination[5]
    numbers = tuple(range(count, 0, -1))
    bands = Bands(numbers, tuple(float(90 + band) for band in numbers), (50.0,) * count)
    folder(root, bands)
    expected = filled(pixels[..., ::-1].astype(np.float32), missing, bands.mean)
    check_folder(root, read_dataset_yaml(root))
    for reader in readers(combination):
        found = reader(root, bands)
        assert np.array_equal(found.astype(np.float32), expected), (combination, reader.__name__)
