"""What a refusal of an image tells to write is right when it is pasted."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover
from mapsage_mmseg.errors import InputError, message_of
from mapsage_mmseg.imagery.images import read_image


def write_tiles(folder: Path, bands: int, alpha: bool = False, all_missing: bool = False) -> None:
    """One tile of 16 bits for training and one for validation; band b holds 100 b, nothing in its upper left
    corner. GDAL makes the second band the transparency, where there is one."""
    for split in ('train', 'val'):
        for name, count, dtype in (('img_dir', bands, 'uint16'), ('ann_dir', 1, 'uint8')):
            path = folder / name / split / 'a.tif'
            path.parent.mkdir(parents=True, exist_ok=True)
            nodata = 0 if name == 'img_dir' and not alpha else None
            options = dict(ALPHA='YES') if name == 'img_dir' and alpha else {}
            with rasterio.open(path, 'w', 'GTiff', 32, 32, count, dtype=dtype, nodata=nodata, **options) as file:
                values = np.stack([np.full((32, 32), 100 * band, dtype) for band in range(1, count + 1)])
                values[:, :8, :8] = 0
                file.write(values * (name == 'img_dir' and not all_missing))
    (folder / 'dataset.yaml').write_text('name: own\nclasses: [a, b]\nimg_suffix: .tif\nseg_map_suffix: .tif\n')


def dataset(folder: Path) -> FolderLandCover:
    return FolderLandCover(data_root=str(folder), split='train', pipeline=[])


@pytest.mark.parametrize(
    ('bands', 'alpha', 'said'), [(1, False, [1]), (2, False, [1, 2]), (4, False, [1, 2, 3, 4]), (5, True, [1, 3, 4, 5])]
)
def test_the_lines_name_all_bands_but_transparency_and_serve_as_they_are(tmp_path, bands, alpha, said):
    write_tiles(tmp_path, bands, alpha)
    image = tmp_path / 'img_dir/train/a.tif'
    with pytest.raises(InputError, match=r'uint16|no red, green and blue') as refusal:
        read_image(image)
    lines = message_of(refusal.value).splitlines()[-3:]
    small = ', '.join(['1.0e-06'] * len(said))
    assert lines == [f'bands: {said}', f'mean: {[100.0 * band for band in said]}', f'std: [{small}]']
    with (tmp_path / 'dataset.yaml').open('a') as file:
        file.write('\n'.join(lines) + '\n')
    assert dataset(tmp_path).metainfo['bands']['numbers'] == said


def test_of_an_image_without_data_each_band_has_its_figure(tmp_path):
    write_tiles(tmp_path, 3, all_missing=True)
    with pytest.raises(InputError) as refusal:
        read_image(tmp_path / 'img_dir/train/a.tif')
    assert message_of(refusal.value).endswith('bands: [1, 2, 3]\nmean: [0.0, 0.0, 0.0]\nstd: [1.0, 1.0, 1.0]')
