"""Prediction by windows: the same as of the whole, wherever it lies, after any interruption, in bounded memory."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from PIL import Image

from mapsage_mmseg.commands import cli, predict
from mapsage_mmseg.deployment.find_student import load_predictor
from mapsage_mmseg.imagery.scene_reader import Scene
from tests.scenes import write_geotiff

UTM = dict(crs='EPSG:32640', transform=rasterio.transform.from_origin(325000.0, 2780000.0, 0.5, 0.5))


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_a_geotiff_keeps_its_place_colours_names_and_nodata(trained, tmp_path):
    pixels = picture(100, 80)
    pixels[:30, :20] = 0
    source = write_geotiff(tmp_path / 'scene.tif', pixels, nodata=0, **UTM)
    out = tmp_path / 'out'
    command = [str(trained), str(source), '-o', str(out), '--window', '64', '--overlap', '16']
    assert cli.run(predict.main, [*command, '--probabilities', '--polygons']) == 0
    assert {path.name for path in out.iterdir()} == {
        'scene.tif',
        'scene_probabilities.tif',
        'scene.geojson',
        'scene_overview.jpg',
    }
    with rasterio.open(out / 'scene.tif') as target, rasterio.open(source) as given_scene:
        assert (target.crs, target.transform, target.nodata) == (given_scene.crs, given_scene.transform, 255)
        classes = target.read(1)
        empty = (pixels == 0).all(-1)
        assert np.array_equal(classes == 255, empty) and classes[~empty].max() < 7
        assert target.colormap(1)[2] == (255, 255, 0, 255) and target.tags()['class_5'] == 'forest'
    with rasterio.open(out / 'scene_probabilities.tif') as target:
        steps = target.read()
        assert target.descriptions[3] == 'water' and target.scales == (0.004,) * 7
        assert np.array_equal(steps[0] == 255, empty)
        np.testing.assert_allclose(steps[:, ~empty].astype(int).sum(0), 250, atol=4)
        assert (np.take_along_axis(steps, classes[None].clip(0, 6), 0)[0] == steps.max(0))[~empty].all()
    content = json.loads((out / 'scene.geojson').read_text())
    names = {feature['properties']['class'] for feature in content['features']}
    assert names == {load_predictor(str(trained)).classes[value] for value in np.unique(classes[~empty])}
    longitude, latitude = content['features'][0]['geometry']['coordinates'][0][0]
    assert 55 < longitude < 56 and 25 < latitude < 26  # Dubai


def test_a_plain_picture_gives_a_palette_png_of_its_size(trained, tmp_path):
    (tmp_path / 'in').mkdir()
    Image.fromarray(picture(40, 90)).save(tmp_path / 'in/a.png')
    Image.fromarray(picture(64, 64, 1)).save(tmp_path / 'in/b.jpg')
    assert cli.run(predict.main, [str(trained), str(tmp_path / 'in'), '-o', str(tmp_path / 'out')]) == 0
    with Image.open(tmp_path / 'out/a.png') as found:
        assert found.size == (90, 40) and found.mode == 'P' and found.getpalette()[3:6] == [255, 0, 0]
        assert found.text['class_5'] == 'forest'
        expected = load_predictor(str(trained)).logits(picture(40, 90)[None])[0].argmax(0)
        assert np.array_equal(np.asarray(found), expected)
    assert (tmp_path / 'out/b.png').is_file()


def test_what_is_done_is_left_alone_and_what_changed_is_done_again(trained, tmp_path):
    source = write_geotiff(tmp_path / 'scene.tif', picture(64, 64), **UTM)
    command = [str(trained), str(source), '-o', str(tmp_path / 'out')]
    stamp = lambda: (tmp_path / 'out/scene.tif').stat().st_ino  # noqa: E731
    assert cli.run(predict.main, command) == 0
    first = stamp()
    assert cli.run(predict.main, command) == 0 and stamp() == first
    assert cli.run(predict.main, [*command, '--window', '48', '--overlap', '8']) == 0 and stamp() != first
    assert not list((tmp_path / 'out').glob('.*'))


def test_killed_in_the_middle_and_started_again_it_gives_the_same_file(trained, repository, tmp_path):
    source = write_geotiff(tmp_path / 'scene.tif', picture(3000, 64), **UTM)
    command = [str(trained), str(source), '--window', '64', '--overlap', '40', '--probabilities']
    assert cli.run(predict.main, [*command, '-o', str(tmp_path / 'whole')]) == 0
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [sys.executable, str(repository / 'tools/predict.py'), *command, '-o', str(out)],
        env={**os.environ, 'PYTHONPATH': str(repository), 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 240
    while not list(out.glob('.scene.tif.strips/strip_000002.npz')) and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(out.glob('.scene.tif.strips/strip_*.npz')))
    assert 3 <= kept < 100 and [path.name for path in out.iterdir()] == ['.scene.tif.strips']
    assert cli.run(predict.main, [*command, '-o', str(out)]) == 0
    for name in ('scene.tif', 'scene_probabilities.tif'):
        assert (out / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()
    assert not (out / '.scene.tif.strips').exists()


def test_control_points_and_a_stretch_of_other_than_bytes(trained, tmp_path):
    points = [
        rasterio.control.GroundControlPoint(0, 0, 55.0, 25.0),
        rasterio.control.GroundControlPoint(0, 64, 55.1, 25.0),
    ]
    points.append(rasterio.control.GroundControlPoint(64, 0, 55.0, 24.9))
    deep = picture(64, 64).astype(np.uint16) * 100
    source = write_geotiff(tmp_path / 'scene.tif', deep, gcps=points, crs='EPSG:4326')
    with Scene(source, span=(0, 25500)) as scene:
        assert np.array_equal(scene.read(0, 0, 64, 64)[0], picture(64, 64)) and scene.located
    command = [str(trained), str(source), '-o', str(tmp_path / 'out'), '--range', '0', '25500']
    assert cli.run(predict.main, command) == 0
    with rasterio.open(tmp_path / 'out/scene.tif') as target:
        assert [(point.x, point.y) for point in target.gcps[0]] == [(point.x, point.y) for point in points]


def test_red_green_and_blue_are_found_by_their_marks(tmp_path):
    pixels = picture(8, 8)
    path = write_geotiff(tmp_path / 'bgr.tif', pixels[..., ::-1])
    kinds = rasterio.enums.ColorInterp
    with rasterio.open(path, 'r+') as target:
        target.colorinterp = [kinds.blue, kinds.green, kinds.red]
    with Scene(path) as scene:
        assert np.array_equal(scene.read(0, 0, 8, 8)[0], pixels)


def two_bands(folder):
    write_geotiff(folder / 'two.tif', picture(8, 8)[..., :2])
    return ['two.tif']


def deep(folder):
    write_geotiff(folder / 'deep.tif', picture(8, 8).astype(np.uint16))
    return ['deep.tif']


def twice(folder):
    for name in ('a.png', 'a.jpg'):
        Image.fromarray(picture(8, 8)).save(folder / name)
    return ['a.png', 'a.jpg']


def itself(folder):
    Image.fromarray(picture(8, 8)).save(folder / 'a.png')
    return ['a.png', '-o', '.']


def text(folder):
    (folder / 'a.tif').write_text('no picture')
    return ['a.tif']


@pytest.mark.parametrize(
    'make, said',
    [
        (two_bands, 'has 2 bands'),
        (deep, '--range LOW HIGH'),
        (twice, 'a.png and a.jpg would both give out/a_overview.jpg'),
        (itself, 'would be replaced'),
        (text, 'a.tif cannot be read'),
        (lambda folder: ['nowhere.tif'], 'nowhere.tif does not exist'),
        (lambda folder: ['.'], 'holds no .png'),
        (lambda folder: [*itself(folder)[:1], '--window', '8'], '--window 8 must be 32'),
        (lambda folder: [*itself(folder)[:1], '--overlap', '512'], '--overlap 512 must be'),
        (lambda folder: [*itself(folder)[:1], '--range', '5', '5'], '--range 5 5'),
    ],
)
def test_wrong_inputs_are_named_in_one_line(trained, tmp_path, monkeypatch, capfd, make, said):
    monkeypatch.chdir(tmp_path)
    arguments = [str(trained), *make(tmp_path)]
    arguments += [] if '-o' in arguments else ['-o', 'out']
    assert cli.run(predict.main, arguments) == 2
    error = capfd.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('name', ['cut.png', 'cut.jpg'])
def test_a_picture_that_was_cut_short_gives_no_map(trained, tmp_path, capfd, name):
    """GDAL by itself makes up what is missing."""
    Image.fromarray(picture(64, 64)).save(tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])
    assert cli.run(predict.main, [str(trained), str(tmp_path / name), '-o', str(tmp_path / 'out')]) == 2
    assert f'{name} cannot be read to its end; it is damaged at row 0, column 0' in capfd.readouterr().err
    assert not list((tmp_path / 'out').glob('cut*'))
