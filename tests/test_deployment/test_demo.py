"""The demo: what it shows of a run, what it answers to strangers' files, and the page in a browser."""

import json
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from mapsage_mmseg.commands import cli, demo
from mapsage_mmseg.deployment.demo import page as demo_page
from mapsage_mmseg.deployment.demo.side_by_side import Contestant, see
from mapsage_mmseg.deployment.demo.uploads import LARGEST, read_upload
from mapsage_mmseg.deployment.predictor import Predictor
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.imagery import Bands
from tests.chromium import Browser, find

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
ANSWER = '.answer h2, .demo-message'


def gathered(*arguments):
    return demo.shown(demo.parser().parse_args([str(argument) for argument in arguments]))


@pytest.fixture(scope='module')
def shown(trained) -> demo_page.Demo:
    return gathered(trained, '--examples', 2)


def png(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    parts = (
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(parts))


def write_claim(path: Path) -> None:
    header = struct.pack('>IIBBBBB', 32000, 32000, 8, 2, 0, 0, 0)
    png(path, (b'IHDR', header), (b'IDAT', zlib.compress(bytes(999))), (b'IEND', b''))


def write_cut(path: Path) -> None:
    Image.fromarray(PIXELS).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_vrt(path: Path) -> None:
    source = '<SimpleSource><SourceFilename>/etc/hostname</SourceFilename></SimpleSource>'
    band = f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'
    path.write_text(f'<VRTDataset rasterXSize="64" rasterYSize="64">{band}</VRTDataset>')


HOSTILE = {
    'claim.png': (write_claim, f'claim.png has 32000 x 32000 pixels, above the {LARGEST}'),
    'cut.png': (write_cut, 'cut.png cannot be read to its end; it is damaged at row 0, column 0'),
    'cut.jpg': (write_cut, 'cut.jpg cannot be read to its end; it is damaged at row 0, column 0'),
    'text.png': (lambda path: path.write_text('no picture'), 'text.png cannot be read; it is damaged or no image'),
    'empty.jpg': (lambda path: path.write_bytes(b''), 'empty.jpg cannot be read; it is damaged or no image'),
    'reads_others.tif': (write_vrt, 'reads_others.tif cannot be read; it is damaged or no image'),
    'grey16.png': (
        lambda path: Image.fromarray(PIXELS[..., 0].astype(np.uint16)).save(path),
        'grey16.png is uint16, and',
    ),
    'tiny.png': (lambda path: Image.fromarray(PIXELS[:8]).save(path), 'tiny.png has 80 x 8 pixels; 32 on each side'),
}


@pytest.mark.parametrize('name', HOSTILE)
def test_a_hostile_file_is_answered_with_its_fault_and_removed(shown, name, tmp_path):
    write, fault = HOSTILE[name]
    write(tmp_path / name)
    answer = shown.upload(str(tmp_path / name))
    assert re.fullmatch('<p class="demo-message" role="alert">.+</p>', answer) and fault in answer
    assert str(tmp_path) not in answer and not list(tmp_path.iterdir())


def test_a_block_that_would_fill_memory_is_refused(tmp_path):

    side = 16 * 1024  # of a block: 3 x 16384 x 16384 bytes for one pixel
    profile = dict(height=64, width=64, count=3, dtype='uint8', tiled=True, blockxsize=side, blockysize=side)
    with rasterio.open(tmp_path / 'x.tif', 'w', driver='GTiff', sparse_ok=True, **profile):
        pass
    with pytest.raises(InputError, match='blocks too large'):
        read_upload(tmp_path / 'x.tif')


def test_what_is_transparent_holds_no_class(shown, tmp_path):
    alpha = np.full((64, 80, 1), 255, np.uint8)
    alpha[:32] = 0
    Image.fromarray(np.concatenate([PIXELS, alpha], 2)).save(tmp_path / 'half.png')
    image, known = read_upload(tmp_path / 'half.png')
    assert np.array_equal(image[known], PIXELS[32:].reshape(-1, 3)) and known.sum() == 32 * 80
    classes = see(image, known, shown.contestants[0].predictor).classes
    assert (classes[:32] == 255).all() and (classes[32:] < 7).all()


def test_a_model_of_other_bands_is_given_them_as_they_are(tmp_path):
    """Of a file of four bands and 16 bits, the fourth and the first: the class is the one that is higher."""

    values = np.random.default_rng(1).integers(0, 4000, (4, 40, 48), np.uint16)
    profile = dict(driver='GTiff', height=40, width=48, count=4, dtype='uint16')
    with rasterio.open(tmp_path / 'deep.tif', 'w', **profile) as target:
        target.write(values)
    bands = Bands((4, 1), (2000.0, 2000.0), (1000.0, 1000.0))
    model = Predictor(lambda x: x.transpose(0, 3, 1, 2) / 100, ('a', 'b'), ((9, 9, 9), (8, 8, 8)), '', bands)
    one = Contestant('student', model, 1.0, None, None)
    image, known = read_upload(tmp_path / 'deep.tif', wanted=bands)
    assert np.array_equal(see(image, known, model).classes, values[0] > values[3])
    shown = demo_page.Demo('x', [one], [], [], None, None, LARGEST)
    assert 'deep.tif <small>48 × 40 pixels' in shown.upload(str(tmp_path / 'deep.tif'))


def test_names_are_no_markup(shown, tmp_path):
    path = tmp_path / '<img src=x onerror=alert(1)>.png'
    Image.fromarray(PIXELS).save(path)
    answer = shown.upload(str(path))
    assert '<img src=x' not in answer and '&lt;img src=x onerror=alert(1)&gt;.png' in answer


def test_a_run_is_shown_with_its_teacher_and_its_own_tiles(shown, trained):
    assert [each.name for each in shown.contestants] == ['student', 'teacher'] and shown.remarks == []
    record = json.loads((trained / 'result.json').read_text())
    assert shown.contestants[1].params_m == record['teacher']['params_m']
    assert shown.contestants[0].params_m == record['student']['params_m']
    assert [example.image.shape for example in shown.examples] == [(64, 64, 3)] * 2


def moved(trained, folder, **teacher):
    """A run elsewhere: checkpoints, config and a record that says this of its teacher."""
    run = folder / 'run'
    run.mkdir()
    (run / 'checkpoints').symlink_to(trained / 'checkpoints')
    (run / 'config.py').write_bytes((trained / 'config.py').read_bytes())
    record = json.loads((trained / 'result.json').read_text())
    record['teacher'].update(teacher)
    del record['sha256']  # of the record itself, which is changed on purpose
    (run / 'result.json').write_text(json.dumps(record))
    return run


def test_without_its_teacher_a_run_is_shown_alone_and_says_why(trained, tmp_path):
    run = moved(trained, tmp_path, path='nowhere/teacher.pth')
    shown = gathered(run, '--examples', 1)
    assert [each.name for each in shown.contestants] == ['student']
    assert shown.remarks == ['No teacher is shown: nowhere/teacher.pth is not there; name its place with --teacher.']
    assert 'of the pixels alike for student and label' in shown.example(0)
    teacher = next(trained.parent.glob('teachers/*/teacher.pth'))
    assert len(gathered(run, '--examples', 0, '--teacher', teacher).contestants) == 2


def test_another_teacher_in_its_place_is_not_taken_for_it(trained, tmp_path):
    shown = gathered(moved(trained, tmp_path, sha256='0' * 64), '--examples', 0)
    assert len(shown.contestants) == 1 and "is not the run's teacher, whose SHA-256 was 000" in shown.remarks[0]


@pytest.mark.parametrize(
    'arguments, fault',
    [
        (('--teacher', 'no.pth'), '--teacher no.pth does not exist'),
        (('--data-root', 'nowhere'), 'nowhere'),
        (('--port', '70000'), '--port 70000 must be from 1 to 65535'),
        (('--examples', '-1'), '--examples -1 must be 0 or more'),
        (('--range', '9', '9'), '--range 9 9: the first must be below the second'),
    ],
)
def test_wrong_arguments_end_with_status_2(trained, capfd, arguments, fault):
    pytest.importorskip('gradio', reason='needs the extra [demo]')
    assert cli.run(demo.main, [str(trained), *arguments]) == 2
    said = capfd.readouterr().err
    assert fault in said and 'Traceback' not in said


def test_other_tiles_must_have_the_students_classes(trained, tiles):
    with pytest.raises(InputError, match='its classes are a, b, c, d, e, f, g; the model knows'):
        gathered(trained, '--data-root', tiles)


@pytest.fixture(scope='module')
def page(shown, request):
    """Its address, and the folder of what is uploaded."""
    pytest.importorskip('gradio', reason='needs the extra [demo]')
    import uvicorn

    find()
    # as it configures logging, Python closes the handlers of every logger, which later tests of this process write to
    configure = uvicorn.Config.configure_logging
    uvicorn.Config.configure_logging = lambda self: None
    request.addfinalizer(lambda: setattr(uvicorn.Config, 'configure_logging', configure))
    with demo_page.served(shown, '127.0.0.1', None) as (address, _):
        folder = Path(os.environ['GRADIO_TEMP_DIR'])
        yield address, folder
    assert not folder.exists()


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    find()
    with Browser(tmp_path_factory.mktemp('profile')) as browser:
        yield browser


def quiet(browser, address):
    """No error in the console (Gradio's own warnings may be), and nothing asked of any other place."""
    wrong = [each for each in browser.complaints() if each['params'].get('type') != 'warning']
    elsewhere = [url for url in browser.requests() if not url.startswith(('data:', 'blob:', address))]
    return wrong == [] and elsewhere == []


def answered(browser, beginning):
    browser.wait(f'(document.querySelector({ANSWER!r})?.innerText ?? "").startsWith({beginning!r})')


@pytest.mark.browser
@pytest.mark.parametrize('width', [1280, 390])
def test_an_example_and_an_upload_are_shown(browser, page, shown, width, tmp_path):
    address, folder = page
    browser.open(address, width)
    answered(browser, 'Example 1')
    browser.click('[aria-label="Thumbnail 2 of 2"]')
    answered(browser, 'Example 2')
    names = 'JSON.stringify([...document.querySelectorAll("[data-map]")].map(each => each.dataset.map))'
    assert json.loads(browser.evaluate(names)) == ['label', 'student', 'teacher', 'difference']
    seen = [see(shown.examples[1].image, np.ones((64, 64), bool), each.predictor) for each in shown.contestants]
    alike = 100 * (seen[0].classes == seen[1].classes).mean()
    assert browser.evaluate('document.querySelector(".agree strong").innerText') == f'{alike:.1f} %'
    rows = 'JSON.stringify([...document.querySelectorAll(".shares tbody tr")].map(row => row.innerText.split(/\\s+/)))'
    shares = json.loads(browser.evaluate(rows))
    assert len(shares) == 7 and all(row[-3:] == [f'{float(value):.1f}' for value in row[-3:]] for row in shares)
    assert browser.evaluate('document.querySelectorAll(".models tbody tr").length') == 2
    assert browser.evaluate('document.documentElement.scrollWidth') == width
    Image.fromarray(PIXELS).save(tmp_path / 'mine.png')
    browser.choose('input[type=file]', tmp_path / 'mine.png')
    answered(browser, 'mine.png')
    assert json.loads(browser.evaluate(names)) == ['student', 'teacher', 'difference']
    assert not list(folder.rglob('mine.png'))
    assert quiet(browser, address)


@pytest.mark.browser
def test_a_fault_is_told_on_the_page_which_goes_on(browser, page, tmp_path):
    address, _ = page
    browser.open(address, 1280)
    answered(browser, 'Example 1')
    for name in ('claim.png', 'palette.png'):
        write, fault = HOSTILE[name]
        write(tmp_path / name)
        browser.choose('input[type=file]', tmp_path / name)
        answered(browser, name)
        assert fault in browser.evaluate('document.querySelector(".demo-message").innerText')
    browser.click('[aria-label="Thumbnail 1 of 2"]')
    answered(browser, 'Example 1')
    assert quiet(browser, address)


@pytest.mark.browser
def test_the_slider_uncovers_the_photograph(browser, page):
    address, _ = page
    browser.open(address, 1280)
    answered(browser, 'Example 1')
    opacity = 'getComputedStyle(document.querySelector(".answer img.map")).opacity'
    assert browser.evaluate(opacity) == '0.7'
    slide = 'slider.value = 25; slider.dispatchEvent(new Event("input", {bubbles: true}))'
    browser.evaluate(f'(slider => {{ {slide} }})(document.querySelector("input[type=range]"))')
    browser.wait(f'{opacity} === "0.25"')
