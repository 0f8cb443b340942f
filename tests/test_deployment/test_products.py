"""Which files `tools/predict.py` replaces, which it leaves alone, and which it takes for inputs."""

import json
import tempfile

import numpy as np
import pytest
from PIL import Image

from mapsage_mmseg.commands import cli, predict
from mapsage_mmseg.deployment.maps.products import Products, said
from tests.scenes import write, write_geotiff

RED = np.full((40, 40, 3), (200, 10, 10), np.uint8)
GREEN = np.full((40, 40, 3), (10, 200, 10), np.uint8)
FOREIGN = {  # a name among the products of a.tif, and what a user has there
    'a.tif': lambda path: write_geotiff(path, RED),
    'a_overview.jpg': lambda path: Image.fromarray(RED).save(path, comment=b'from my camera'),
    'a_probabilities.tif': lambda path: write_geotiff(path, RED),
    'a.geojson': lambda path: path.write_text('{"type": "FeatureCollection", "features": []}'),
}
UNREADABLE = {
    'empty': lambda path: path.write_bytes(b''),
    'garbage': lambda path: path.write_bytes(b'garbage' * 99),
    'a folder': lambda path: path.mkdir(),
    'a link to nowhere': lambda path: path.symlink_to('nowhere'),
}


@pytest.fixture
def folder(tmp_path, monkeypatch, by_colour):
    """A red GeoTIFF, in/a.tif, and an empty folder, out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'in').mkdir()
    (tmp_path / 'out').mkdir()
    write_geotiff(tmp_path / 'in/a.tif', RED)
    return tmp_path


def run(*arguments):
    return cli.run(predict.main, ['model', *arguments])


def refused(capfd, message):
    error = capfd.readouterr().err
    assert message in error and len(error.splitlines()) == 1, error


def classes(path):
    with Image.open(path) as picture:
        return set(np.unique(np.asarray(picture)).tolist())


def test_a_mask_beside_its_photo_is_not_replaced(folder, capfd):
    write(folder / 'mix/a.jpg', RED)
    mask = write(folder / 'mix/a.png', np.zeros((40, 40), np.uint8)).read_bytes()
    assert run('mix/a.jpg', '-o', 'mix') == 2
    refused(capfd, 'mix/a.png is there and does not say that this tool wrote it')
    assert (folder / 'mix/a.png').read_bytes() == mask and len(list((folder / 'mix').iterdir())) == 2


@pytest.mark.parametrize('name', FOREIGN)
def test_no_product_replaces_what_is_somebody_elses(folder, capfd, name):
    FOREIGN[name](folder / 'out' / name)
    before = (folder / 'out' / name).read_bytes()
    assert run('in/a.tif', '-o', 'out', '--probabilities', '--polygons') == 2
    refused(capfd, f'out/{name} is there')
    assert (folder / 'out' / name).read_bytes() == before and len(list((folder / 'out').iterdir())) == 1


@pytest.mark.parametrize('name', ['a_probabilities.tif', 'a.geojson'])
def test_a_map_of_ours_is_no_leave_to_replace_what_lies_beside_it(folder, capfd, name):
    assert run('in/a.tif', '-o', 'out') == 0
    FOREIGN[name](folder / 'out' / name)
    capfd.readouterr()
    assert run('in/a.tif', '-o', 'out', '--probabilities', '--polygons') == 2
    refused(capfd, f'out/{name} is there')


@pytest.mark.parametrize('kind', UNREADABLE)
def test_what_cannot_be_told_to_be_ours_is_named(folder, capfd, kind):
    UNREADABLE[kind](folder / 'out/a.tif')
    assert run('in/a.tif', '-o', 'out') == 2
    refused(capfd, 'out/a.tif is there and does not say')


@pytest.mark.parametrize('name', ['a.tif', 'a_overview.jpg', 'a_probabilities.tif'])
@pytest.mark.parametrize('content', [b'', b'garbage'])
def test_a_damaged_product_is_made_again(folder, name, content):
    command = ['in/a.tif', '-o', 'out', '--probabilities']
    assert run(*command) == 0
    whole = (folder / 'out' / name).read_bytes()
    (folder / 'out' / name).write_bytes(content)
    assert run(*command) == 0
    assert (folder / 'out' / name).read_bytes() == whole


def test_products_of_an_attempt_that_was_killed_between_them_are_replaced(folder):
    command = ['in/a.tif', '-o', 'out', '--probabilities', '--polygons']
    assert run(*command) == 0
    (folder / 'out/a.tif').unlink()  # the last that is published
    assert run(*command) == 0 and classes(folder / 'out/a.tif') == {0}


def test_an_overview_that_says_nothing_is_vouched_for_by_its_map(folder):
    """As those of before it said something."""
    assert run('in/a.tif', '-o', 'out') == 0
    map_before = (folder / 'out/a.tif').stat().st_ino
    Image.fromarray(RED).save(folder / 'out/a_overview.jpg')
    assert run('in/a.tif', '-o', 'out') == 0 and (folder / 'out/a.tif').stat().st_ino == map_before
    assert run('in/a.tif', '-o', 'out', '--window', '64', '--overlap', '0') == 0
    assert said(folder / 'out/a_overview.jpg')['window'] == '64 overlap 0'


def test_probabilities_of_other_settings_than_their_map_are_made_again(folder):
    narrow = ['in/a.tif', '-o', 'out', '--window', '32', '--overlap', '0']
    assert run('in/a.tif', '-o', 'out', '--probabilities', '--polygons') == 0
    assert run(*narrow) == 0  # replaces the map alone
    assert run(*narrow, '--probabilities', '--polygons') == 0
    for name in ('a_probabilities.tif', 'a.geojson'):
        assert said(folder / 'out' / name)['window'] == '32 overlap 0'


@pytest.mark.parametrize(
    ('options', 'second', 'both'),
    [
        (['--probabilities'], 'a_probabilities.tif', 'a_probabilities.tif'),
        (['--polygons'], 'a.png', 'a_overview.jpg'),
    ],
)
def test_products_of_two_inputs_that_would_be_one_file(folder, capfd, options, second, both):
    write(folder / 'in' / second, GREEN)
    assert run('in/a.tif', f'in/{second}', '-o', 'out', *options) == 2
    refused(capfd, f'in/a.tif and in/{second} would both give out/{both}')


def test_a_map_does_not_replace_probabilities_of_an_earlier_command(folder, capfd):
    assert run('in/a.tif', '-o', 'out', '--probabilities') == 0
    write_geotiff(folder / 'in/a_probabilities.tif', GREEN)
    capfd.readouterr()
    assert run('in/a_probabilities.tif', '-o', 'out') == 2
    refused(capfd, 'out/a_probabilities.tif is there')


def test_a_command_over_a_folder_into_itself_can_be_repeated(folder, capfd):
    write(folder / 'pictures/a.jpg', RED)
    command = ['pictures', '-o', 'pictures', '--probabilities', '--polygons']
    assert run(*command) == 0
    first = capfd.readouterr().out
    assert run(*command) == 0 and capfd.readouterr().out == first
    write(folder / 'pictures/b.jpg', GREEN)
    assert run(*command) == 0 and classes(folder / 'pictures/b.png') == {1}
    names = {path.name for path in (folder / 'pictures').iterdir()}
    ends = ('.jpg', '.png', '_overview.jpg', '_probabilities.tif', '.geojson')
    assert names == {f'{stem}{end}' for stem in 'ab' for end in ends}


def test_a_product_that_is_named_is_an_input(folder, capfd):
    assert run('in/a.tif', '-o', 'out') == 0
    assert run('out/a_overview.jpg', '-o', 'more') == 0 and (folder / 'more/a_overview.png').is_file()
    capfd.readouterr()
    assert run('out', '-o', 'more') == 2
    refused(capfd, 'out holds no .png')


def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(folder, capfd, monkeypatch):
    def deny(**kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(tempfile, 'TemporaryFile', deny)
    assert run('in/a.tif', '-o', 'out') == 2
    refused(capfd, '-o out cannot be written to: Permission denied; name another folder')
    assert not list((folder / 'out').iterdir())


@pytest.mark.parametrize('text', ['', '[]', '[' * 60000, '"text"', '{"mapsage_mmseg": 3, "x": [', '\udcff', '{'])
def test_a_geojson_of_any_kind_is_asked_what_it_says(tmp_path, text):
    path = tmp_path / 'a.geojson'
    path.write_bytes(text.encode('utf-8', 'surrogateescape'))
    assert said(path) == {}
    products = Products(tmp_path / 'a.tif', tmp_path / 'a_overview.jpg', None, path)
    assert not products.done({})


def test_outlines_stay_geojson_with_what_they_say(folder):
    assert run('in/a.tif', '-o', 'out', '--polygons') == 0
    content = json.loads((folder / 'out/a.geojson').read_text())
    (feature,) = content['features']
    assert feature['properties'] == {'class': 'red', 'value': 0}
    assert content['mapsage_mmseg']['model_sha256'] == '0' * 64
