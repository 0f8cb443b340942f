"""The pictures that a run keeps, and the tiles that a report makes of them."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from mapsage_mmseg.visualization.panels import CORRECT, IGNORED, WRONG
from mapsage_mmseg.visualization.pictures import read_pictures, write_picture
from mapsage_mmseg.visualization.tiles import LARGEST, pictures
from tests.records import record

PALETTE = [[60, 16, 152], [132, 41, 246], [110, 193, 228]]
LABEL = np.array([[0, 1], [2, 255]])
STUDENT = np.array([[0, 2], [2, 1]])
IMAGE = np.full((2, 2, 3), 99, np.uint8)


def decode(uri):
    kind, _, data = uri.partition(';base64,')
    return kind, np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert('RGB'))


def left(folder, experiment='improved_distill', student=STUDENT, **maps):
    run = folder / experiment
    write_picture(run / 'pictures' / 'tile', IMAGE, {'label': LABEL, **maps, 'student': student}, PALETTE)
    return record(experiment, path=str(run / 'result.json'))


def test_what_was_written_is_read(tmp_path):
    left(tmp_path, teacher=LABEL)
    found = read_pictures(tmp_path / 'improved_distill')['tile']
    assert set(found.maps) == {'label', 'teacher', 'student'}
    np.testing.assert_array_equal(found.maps['label'], LABEL)
    np.testing.assert_array_equal(found.maps['student'], STUDENT)
    assert found.palette[:3] == [tuple(colour) for colour in PALETTE]


def test_a_map_is_a_palette_file_of_class_indices_that_any_viewer_shows_in_colour(tmp_path):
    left(tmp_path)
    picture = Image.open(tmp_path / 'improved_distill/pictures/tile/label.png')
    assert picture.mode == 'P'
    assert picture.convert('RGB').getpixel((1, 0)) == tuple(PALETTE[1])
    assert picture.convert('RGB').getpixel((1, 1)) == IGNORED


def test_other_ignore_values_become_255(tmp_path):
    left(tmp_path, student=np.array([[-1, 3], [2, 1]]))
    found = read_pictures(tmp_path / 'improved_distill')['tile'].maps['student']
    np.testing.assert_array_equal(found, [[255, 255], [2, 1]])


def test_half_a_picture_is_left_out(tmp_path):
    left(tmp_path)
    file = tmp_path / 'improved_distill/pictures/tile/student.png'
    file.write_bytes(file.read_bytes()[:40])
    assert read_pictures(tmp_path / 'improved_distill') == {}
    file.unlink()
    assert read_pictures(tmp_path / 'improved_distill') == {}
    left(tmp_path)
    photograph = tmp_path / 'improved_distill/pictures/tile/image.jpg'
    photograph.write_bytes(photograph.read_bytes()[:40])
    assert read_pictures(tmp_path / 'improved_distill') == {}
    assert read_pictures(tmp_path / 'nowhere') == {}


def test_tiles_of_two_experiments_by_hand(tmp_path):
    runs = {
        'no_distill': [left(tmp_path, 'no_distill', student=LABEL)],
        'improved_distill': [left(tmp_path, teacher=LABEL)],
    }
    ((stem, tiles),) = pictures(runs).rows
    assert stem == 'tile'
    assert [tile.caption for tile in tiles] == [
        'image',
        'label',
        'teacher, 100 % right',
        'no_distill, 100 % right',
        'improved_distill, 67 % right',  # two of three; the fourth pixel is ignored
    ]
    assert [len(tile.pictures) for tile in tiles] == [1, 1, 1, 2, 2]
    kind, label = decode(tiles[1].pictures[0][0])
    assert kind == 'data:image/png'
    assert label.tolist() == [[PALETTE[0], PALETTE[1]], [PALETTE[2], list(IGNORED)]]
    _, wrong = decode(tiles[4].pictures[1][0])
    assert wrong.tolist() == [[list(CORRECT), list(WRONG)], [list(CORRECT), list(IGNORED)]]
    assert decode(tiles[0].pictures[0][0])[0] == 'data:image/jpeg'
    assert all(alt for tile in tiles for _, alt in tile.pictures)


def test_legends_name_every_colour(tmp_path):
    found = pictures(dict(improved_distill=[left(tmp_path)]))
    assert found.classes == [
        ('building', 'rgb(60, 16, 152)'),
        ('land', 'rgb(132, 41, 246)'),
        ('road', 'rgb(110, 193, 228)'),
    ]
    assert [name for name, _ in found.errors] == ['right', 'wrong', 'ignored']


def test_the_first_run_of_an_experiment_that_has_pictures_is_shown(tmp_path):
    runs = dict(improved_distill=[record(path=str(tmp_path / 'empty/result.json')), left(tmp_path)])
    assert len(pictures(runs).rows) == 1
    assert pictures(dict(improved_distill=[record()])).rows == []


def test_large_tiles_are_reduced_without_new_colours(tmp_path):
    large = np.random.default_rng(0).integers(0, 3, (2 * LARGEST, LARGEST))
    write_picture(
        tmp_path / 'run/pictures/x', np.zeros((*large.shape, 3), np.uint8), dict(label=large, student=large), PALETTE
    )
    ((_, tiles),) = pictures(dict(a=[record(path=str(tmp_path / 'run/result.json'))])).rows
    _, label = decode(tiles[1].pictures[0][0])
    assert label.shape == (LARGEST, LARGEST // 2, 3)
    assert {tuple(colour) for colour in label.reshape(-1, 3).tolist()} <= {tuple(colour) for colour in PALETTE}
