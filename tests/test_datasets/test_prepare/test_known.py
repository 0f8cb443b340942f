"""Published data sets: their archives, and that the rules give the tiles that the results are of."""

import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from mapsage_mmseg.datasets.prepare import KNOWN, unpacked
from mapsage_mmseg.datasets.prepare import known as known_module
from mapsage_mmseg.datasets.prepare.tiling import tile_name, windows
from mapsage_mmseg.datasets.prepare.writing import write_image
from mapsage_mmseg.errors import InputError
from tests import scenes

DUBAI = replace(KNOWN['dubai'], sha256=None)  # archives of the tests' own
INSIDE = f'Dubai-Satellite-Imagery-Multiclass-Segmentation-{DUBAI.url[-44:-4]}/Semantic segmentation dataset'


def write_archive(folder, sizes):
    """Images and masks in the layout of the archive; sizes are (height, width) by Tile."""
    for tile, (height, width) in sizes.items():
        for part in range(1, 10):
            where = folder / INSIDE / f'Tile {tile}'
            label = np.full((height, width), (tile + part) % 5, np.uint8)
            label[: height // 8] = 255
            colours = np.full((256, 3), (155, 155, 155) if part % 2 else (0, 0, 0), np.uint8)
            colours[:5] = DUBAI.table.palette
            scenes.write(where / f'images/image_part_{part:03d}.jpg', scenes.photograph(height, width))
            scenes.write(where / f'masks/image_part_{part:03d}.png', colours[label])
    (folder / INSIDE / 'classes.json').write_text(json.dumps(dict(classes=[dict(title='Water', color='#50E3C2')])))
    return folder


@pytest.fixture(scope='module')
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp('archive'), dict.fromkeys(range(1, 9), (40, 52)))


def test_pairs_of_the_archive(archive):
    pairs = DUBAI.find(archive)
    assert len(pairs) == 72 and [pair.name for pair in pairs[:2]] == ['t1_p001', 't1_p002']
    assert {pair.scene for pair in pairs} == {f't{tile}' for tile in range(1, 9)}
    assert {pair.scene for pair in pairs if pair.shrink == 2} == {'t7', 't8'}
    assert pairs[10].image.name == 'image_part_002.jpg' and pairs[10].mask.name == 'image_part_002.png'
    assert 'Tile 2/masks' in str(pairs[10].mask)


def test_another_content_is_refused(archive):
    with pytest.raises(InputError, match='are not those of .* SHA-256 .*, expected 063689ba985ae158'):
        KNOWN['dubai'].find(archive)


def test_from_the_zip_file_only_what_is_needed(archive, tmp_path):
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as file:
        for path in sorted(archive.rglob('*.*g')):
            file.write(path, path.relative_to(archive))
        file.writestr('../Tile 1/images/image_part_001.jpg', b'')
        file.writestr(f'{INSIDE}/notebook.ipynb', b'')
    with unpacked(DUBAI, tmp_path / 'x.zip', tmp_path) as folder:
        assert len(DUBAI.find(folder)) == 72 and not list(folder.rglob('*.ipynb'))
    assert [path.name for path in tmp_path.iterdir()] == ['x.zip']
    with unpacked(DUBAI, archive, tmp_path) as folder:
        assert folder == archive


def test_it_is_downloaded(archive, tmp_path, monkeypatch):
    (tmp_path / 'work').mkdir()
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as file:
        file.write(next(archive.rglob('*.jpg')), 'Tile 1/images/image_part_001.jpg')
    monkeypatch.setattr(known_module, 'download', lambda url, file: file.write_bytes((tmp_path / 'x.zip').read_bytes()))
    with unpacked(DUBAI, None, tmp_path / 'work') as folder:
        assert (folder / 'Tile 1/images/image_part_001.jpg').is_file()
    assert not list((tmp_path / 'work').iterdir())


def test_downloading(tmp_path):
    (tmp_path / 'x').write_bytes(b'content')
    known_module.download((tmp_path / 'x').as_uri(), tmp_path / 'y')
    assert (tmp_path / 'y').read_bytes() == b'content'
    with pytest.raises(InputError, match='cannot be reached .* name it with --archive'):
        known_module.download('http://127.0.0.1:9/x.zip', tmp_path / 'z')
    assert not (tmp_path / 'z').exists()


def test_no_archive(archive, tmp_path):
    (tmp_path / 'cut.zip').write_bytes(b'PK\3\4 and no more')
    for path, message in (('cut.zip', 'cut.zip is no whole ZIP file'), ('nowhere.zip', 'nowhere.zip: no such file')):
        with pytest.raises(InputError, match=message), unpacked(DUBAI, tmp_path / path, tmp_path):
            pass
    with pytest.raises(InputError, match='holds 0 pairs of image and mask; expected the 72'):
        DUBAI.find(tmp_path)


def test_the_commit_is_pinned():
    assert re.fullmatch(r'https://github\.com/nive927/[\w-]+/archive/[0-9a-f]{40}\.zip', DUBAI.url)


@pytest.mark.dubai
def test_their_compression_is_ours(dubai, tmp_path):
    tile = Image.open(next(dubai.glob('img_dir/train/*.jpg')))
    write_image(tmp_path / 'a.jpg', np.asarray(tile), DUBAI.cutting.quality)
    made = Image.open(tmp_path / 'a.jpg')
    assert made.quantization == tile.quantization
    assert JpegImagePlugin.get_sampling(made) == JpegImagePlugin.get_sampling(tile)


@pytest.mark.dubai
def test_the_names_are_those_of_the_tiles_that_the_results_are_of(dubai):
    """Sizes follow from the last row and column in the names; one tile was dropped, for what is ignored in it."""
    split = {path.stem: path.parent.name for path in dubai.glob('img_dir/*/*.jpg')}
    sizes: dict[str, tuple[int, int]] = {}
    for name in split:
        image, row, column = re.fullmatch(r'(t\d_p\d{3})_r(\d{4})_c(\d{4})', name).groups()
        height, width = sizes.get(image, (0, 0))
        sizes[image] = max(height, int(row) + 256), max(width, int(column) + 256)
    assert len(sizes) == 72
    cutting = DUBAI.cutting
    made = {
        tile_name(image, window)
        for image, size in sizes.items()
        for window in windows(*size, cutting.size, cutting.stride)
    }
    assert set(split) <= made and len(made - set(split)) == 1
    assert {name[:7] for name in made - set(split)} == {'t8_p003'}
    assert {name[:2] for name, where in split.items() if where == 'val'} == set(DUBAI.val)
