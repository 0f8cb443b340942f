"""Files that would have another file read, an address asked, or a program run."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from mapsage_mmseg.datasets.tiles.dataset import check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import open_raster, read_image, read_mask
from mapsage_mmseg.imagery.scene_reader import Scene
from tests import scenes

SECRET = np.full((40, 48, 3), 77, np.uint8)


@pytest.fixture
def secret(tmp_path):
    return scenes.write(tmp_path / 'elsewhere/secret.tif', SECRET)


def vrt(source) -> str:
    bands = ''.join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename>{source}</SourceFilename>'
        f'<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>'
        for band in (1, 2, 3)
    )
    return f'<VRTDataset rasterXSize="48" rasterYSize="40">{bands}</VRTDataset>'


RAW = (
    '<VRTDataset rasterXSize="20" rasterYSize="20"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
    '<SourceFilename>/etc/passwd</SourceFilename><PixelOffset>1</PixelOffset><LineOffset>20</LineOffset>'
    '</VRTRasterBand></VRTDataset>'
)
WMS = '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}</ServerUrl></Service></GDAL_WMS>'
EPS = '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 40\nshowpage\n'


@pytest.mark.parametrize('name', ['a.tif', 'a.png', 'a.jpg'])
@pytest.mark.parametrize('content', ['vrt', 'url', RAW, WMS, EPS])
def test_a_file_that_refers_to_another_is_no_image(tmp_path, secret, name, content, monkeypatch):
    monkeypatch.setattr(subprocess, 'Popen', lambda *a, **k: pytest.fail('a program was started'))
    texts = dict(vrt=vrt(secret), url=vrt('/vsicurl/http://127.0.0.1:9/x.tif'))
    (tmp_path / name).write_text(texts.get(content, content))
    for read in (read_image, read_mask, Scene):
        with pytest.raises(InputError, match=f'{name} cannot be read; it is damaged or no image'):
            read(tmp_path / name)


@pytest.mark.parametrize('name', ['GTIFF_DIR:1:b.tif', 'zip:x.tif', 's3:x.tif', 'file:x.tif', 'vrt:x.tif'])
def test_a_name_is_no_command(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.full((40, 48, 3), 5, np.uint8)
    scenes.write(tmp_path / 'a.tif', pixels).rename(tmp_path / name)
    scenes.write(tmp_path / 'b.tif', SECRET)
    assert (read_image(Path(name))[0] == pixels).all()


def test_a_colour_table_of_16_bits_and_complex_values_are_refused(tmp_path):
    with rasterio.open(tmp_path / 'a.tif', 'w', driver='GTiff', height=8, width=8, count=1, dtype='uint16') as target:
        target.write(np.arange(64, dtype=np.uint16).reshape(1, 8, 8) * 9)
        target.write_colormap(1, {number: (number % 256, 0, 0, 255) for number in range(600)})
    with rasterio.open(
        tmp_path / 'b.tif', 'w', driver='GTiff', height=8, width=8, count=1, dtype='complex64'
    ) as target:
        target.write(np.ones((1, 8, 8), np.complex64))
    for name, said in (('a', 'a colour table of uint16'), ('b', 'holds complex64')):
        for read in (read_image, lambda file: Scene(file, span=(0, 9))):
            with pytest.raises(InputError, match=said):
                read(tmp_path / f'{name}.tif')


def test_a_folder_with_one_is_refused(tmp_path, secret):
    for split in ('train', 'val'):
        scenes.write(tmp_path / f'img_dir/{split}/a.tif', SECRET)
        scenes.write(tmp_path / f'ann_dir/{split}/a.png', SECRET[..., 0] % 2)
    (tmp_path / 'dataset.yaml').write_text('name: x\nclasses: [a, b]\nimg_suffix: .tif\n')
    check_folder(tmp_path, read_dataset_yaml(tmp_path))
    (tmp_path / 'img_dir/val/a.tif').write_text(vrt(secret))
    with pytest.raises(InputError, match=r'img_dir/val/a\.tif cannot be read'):
        check_folder(tmp_path, read_dataset_yaml(tmp_path))


def test_what_lies_beside_a_file_is_not_followed(tmp_path, secret):
    """GDAL opens .ovr and .msk with any of its drivers, and takes the name of a file from .aux.xml."""
    file = scenes.write(tmp_path / 'a.tif', np.full((40, 48, 3), 5, np.uint8))
    (tmp_path / 'a.tif.ovr').write_text(vrt(secret))
    (tmp_path / 'a.tif.aux.xml').write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{secret}</MDI></Metadata></PAMDataset>'
    )
    with open_raster(file) as raster:
        assert (raster.read_small(10, 12, (1, 2, 3)) == 5).all()
    (tmp_path / 'a.tif.msk').write_text(vrt(secret))
    with pytest.raises(InputError, match=r'a\.tif\.msk cannot be read'):
        read_image(file)


def test_a_tiff_that_names_its_overviews_elsewhere_is_refused(tmp_path, secret):
    file = scenes.write(tmp_path / 'a.tif', np.full((40, 48, 3), 5, np.uint8))
    with rasterio.open(file, 'r+') as target:
        target.update_tags(ns='OVERVIEWS', OVERVIEW_FILE=str(secret))
    with pytest.raises(InputError, match='refers to another file for its overviews'), open_raster(file):
        pass


@pytest.mark.parametrize(
    'text', ['<!DOCTYPE x [<!ENTITY a "b">]><PAMDataset/>', '<PAMDataset><SRS>/etc/passwd</SRS></PAMDataset>', '<', '']
)
def test_a_description_beside_a_file_is_text_and_nothing_else(tmp_path, text):
    file = scenes.write(tmp_path / 'a.png', SECRET)
    (tmp_path / 'a.png.aux.xml').write_text(text)
    with open_raster(file) as raster:
        assert raster.place is None


def test_what_people_have_beside_their_files_is_read(tmp_path):
    file = scenes.write(tmp_path / 'a.png', SECRET)
    (tmp_path / 'a.pgw').write_text('0.5\n0\n0\n-0.5\n300000.25\n2799999.75\n')
    wkt = rasterio.crs.CRS.from_epsg(32640).to_wkt().replace('"', '&quot;')
    band = '<PAMRasterBand band="1"><NoDataValue>77</NoDataValue></PAMRasterBand>'
    (tmp_path / 'a.png.aux.xml').write_text(f'<PAMDataset><SRS>{wkt}</SRS>{band}</PAMDataset>')
    with open_raster(file) as raster:
        assert raster.place == ('EPSG:32640', (0.5, 0.0, 300000.0, 0.0, -0.5, 2800000.0))
        assert raster.nodata(1) == 77 and raster.nodata(2) is None
    mask = np.full((40, 48), 255, np.uint8)
    mask[:9] = 0
    Image.fromarray(mask).save(tmp_path / 'a.png.msk', format='TIFF')
    assert (read_image(file)[1] == (mask > 0)).all()
