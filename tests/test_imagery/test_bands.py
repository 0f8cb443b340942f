"""Bands that dataset.yaml names: read as they are, normalised by their own statistics, shown as a picture."""

import hashlib
import json

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image

from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.datasets.tiles.files import fingerprint
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import Bands, read_image

BANDS = Bands((4, 1), (1000.0, 2000.0), (100.0, 50.0))


def write_tiff(file, pixels):
    height, width, count = pixels.shape
    file.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        file, 'w', driver='GTiff', dtype=pixels.dtype, count=count, height=height, width=width
    ) as target:
        target.write(np.moveaxis(pixels, -1, 0))
    return file


def tile(dtype=np.uint16, count=4):
    """(6, 8, count), each value another: 1000 times the band, and the pixel's position."""
    return (np.arange(48).reshape(6, 8, 1) + 1000 * np.arange(1, count + 1)).astype(dtype)


@pytest.fixture
def root(tmp_path):
    for split in ('train', 'val'):
        write_tiff(tmp_path / 'img_dir' / split / 'a.tif', tile())
        label = tmp_path / 'ann_dir' / split / 'a.png'
        label.parent.mkdir(parents=True)
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 2).save(label)
    write_yaml(tmp_path)
    return tmp_path


def write_yaml(root, **changed):
    content = dict(name='n', classes=['x', 'y'], bands=[4, 1], mean=[4000, 1000.5], std=[10, 20])
    (root / 'dataset.yaml').write_text(yaml.safe_dump({k: v for k, v in {**content, **changed}.items() if v != 'out'}))


@pytest.mark.parametrize('dtype', [np.uint16, np.int16, np.float32, np.float64])
def test_values_come_as_they_are_in_the_order_that_is_named(tmp_path, dtype):
    values, _ = read_image(write_tiff(tmp_path / 'a.tif', tile(dtype)), BANDS)
    assert values.dtype == np.float32 and values.shape == (6, 8, 2) and values.flags.c_contiguous
    assert (values[2, 3] == [4000 + 19, 1000 + 19]).all()


def test_eight_bits_stay_eight_bits(tmp_path):
    values, _ = read_image(write_tiff(tmp_path / 'a.tif', np.full((2, 2, 4), 7, np.uint8)), BANDS)
    assert values.dtype == np.uint8


def test_what_is_no_number_is_the_bands_mean(tmp_path):
    pixels = tile(np.float32)
    pixels[0, 0], pixels[0, 1, 3] = np.nan, np.inf
    values, _ = read_image(write_tiff(tmp_path / 'a.tif', pixels), BANDS)
    assert (values[0, 0] == BANDS.mean).all() and (values[0, 1] == BANDS.mean).all() and (values[0, 2, 0] == 4002)


def test_two_deviations_below_the_mean_are_black_and_two_above_white():
    values = np.array([[[0, 900], [100, 1000], [200, 1100], [-500, 1200]]], float).repeat(2, 2)[..., [0, 2, 0]]
    three = Bands((1, 2, 3), (100.0, 1000.0, 100.0), (50.0, 50.0, 50.0))
    picture = three.picture(values)
    assert picture.dtype == np.uint8 and picture[0, :, 0].tolist() == [0, 128, 255, 0]
    assert picture[0, :, 1].tolist() == [0, 128, 255, 255]
    grey = BANDS.picture(np.array([[[1000.0, 0.0]]]))
    assert grey.tolist() == [[[128, 128, 128]]]


def test_a_folder_gives_them_to_its_pipeline(root):
    data = FolderLandCover(
        str(root), pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    )
    sample = data[0]['inputs']
    assert tuple(sample.shape) == (2, 6, 8) and sample[:, 2, 3].tolist() == [4019, 1019]
    assert Bands.of(data.metainfo) == Bands((4, 1), (4000.0, 1000.5), (10.0, 20.0))
    check_folder(root, read_dataset_yaml(root))


def test_bands_are_part_of_what_a_folder_is(root):
    before = fingerprint(root, read_dataset_yaml(root))
    write_yaml(root, bands=[1, 4])
    assert fingerprint(root, read_dataset_yaml(root)) != before


def test_a_folder_without_them_keeps_the_key_it_had(root):
    """A key from before there were bands: SHA-256 over the same words."""
    write_yaml(root, bands='out', mean='out', std='out')
    meaning = dict(name='n', classes=['x', 'y'], ignore_index=255, img_suffix='.tif', seg_map_suffix='.png')
    digest = hashlib.sha256(json.dumps([meaning, False], sort_keys=True).encode())
    for split in ('train', 'val'):
        for file in (root / f'img_dir/{split}/a.tif', root / f'ann_dir/{split}/a.png'):
            digest.update(f'\n{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0'.encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    assert fingerprint(root, read_dataset_yaml(root)) == digest.hexdigest()


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (dict(mean='out'), 'bands stands there without mean; bands, mean and std come together'),
        (dict(bands='out'), 'mean stands there without bands'),
        (dict(bands=[0, 1]), 'bands has [0, 1]; expected a list of 1 to 64 numbers of bands, each from 1'),
        (dict(bands=3), 'bands has 3; expected a list'),
        (dict(mean=[1]), 'mean has [1]; expected a list of 2 numbers, one per band'),
        (dict(std=[1, 0]), 'std has [1, 0]; expected a list of 2 numbers above 0, one per band'),
        (dict(std=[1, float('nan')]), 'std has [1, nan]; expected'),
        (dict(mean=[1, True]), 'mean has [1, True]; expected'),
        (dict(mean=[1, 10**400]), 'mean has'),
    ],
)
def test_wrong_lines(root, changed, message):
    write_yaml(root, **changed)
    with pytest.raises(InputError) as caught:
        read_dataset_yaml(root)
    assert message in str(caught.value) and '\n' not in str(caught.value)


def test_a_band_that_a_file_lacks(root):
    write_yaml(root, bands=[4, 5])
    with pytest.raises(InputError, match=r'a\.tif has 4 bands; expected band 5 \(dataset\.yaml: bands\)'):
        check_folder(root, read_dataset_yaml(root))


def test_a_file_that_claims_too_much(root):
    with pytest.raises(InputError, match='claims 48 pixels'):
        check_folder(root, read_dataset_yaml(root), max_pixels=40)


def test_complex_numbers(tmp_path):
    with pytest.raises(InputError, match='holds complex64'):
        read_image(write_tiff(tmp_path / 'a.tif', tile(np.complex64)), BANDS)
