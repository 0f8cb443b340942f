"""The report in a browser: quiet, self-contained, and no wider than a telephone."""

from pathlib import Path

import numpy as np
import pytest

from mapsage_mmseg.visualization.pictures import write_picture
from mapsage_mmseg.visualization.report import render
from tests.chromium import Browser, find
from tests.records import record
from tests.test_visualization.test_report import three

pytestmark = pytest.mark.browser

# What sticks out of the window, but for what scrolls in a container of its own.
STICKING_OUT = """
[...document.querySelectorAll('body *')].filter(element =>
    !element.closest('.scroll, svg') && element.getBoundingClientRect().right > innerWidth + 1
).map(element => element.outerHTML.slice(0, 100))
"""


@pytest.fixture(scope='module')
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('report')
    long = record('an_experiment_with_a_name_that_is_longer_than_any_telephone_is_wide')
    runs = [*three(), long, record('no_distill', seed=3, miou=51.0)]
    photograph, label = np.zeros((8, 8, 3), np.uint8), np.arange(64).reshape(8, 8) % 3
    maps = dict(label=label, student=label)
    for index, run in enumerate(runs):
        run['path'] = str(folder / f'run_{index}' / 'result.json')
        write_picture(folder / f'run_{index}/pictures/tile', photograph, maps, [[9, 9, 9]] * 3)
    path = folder / 'report.html'
    path.write_text(render(runs, focus='improved_distill'), encoding='utf-8')
    return path


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    find()
    with Browser(tmp_path_factory.mktemp('profile')) as browser:
        yield browser


@pytest.mark.parametrize('width', [1280, 375])
@pytest.mark.parametrize('dark', [False, True])
def test_it_is_quiet_asks_for_nothing_and_fits(browser, page, width, dark):
    browser.open(page, width, dark=dark)
    assert browser.evaluate('document.querySelector(".verdict").innerText') == 'Yes'
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith('data:')] == [page.as_uri()]
    assert browser.evaluate('innerWidth') == width
    assert browser.evaluate('document.documentElement.scrollWidth') == width
    assert browser.evaluate(STICKING_OUT) == []
    assert browser.evaluate('[...document.images].every(image => image.complete && image.naturalWidth > 0)')
    lightness = browser.evaluate('getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]')
    assert (int(lightness) < 64) is dark


def test_a_chart_takes_its_colours_from_the_page(browser, page):
    stroke = 'getComputedStyle(document.querySelector("svg [style*=\'--s1\']")).stroke'
    browser.open(page, 1280)
    light = browser.evaluate(stroke)
    browser.open(page, 1280, dark=True)
    assert light == 'rgb(11, 98, 164)' != browser.evaluate(stroke)


def test_it_prints(browser, page, tmp_path):
    browser.open(page, 1280, dark=True)
    browser.pdf(tmp_path / 'report.pdf')
    assert (tmp_path / 'report.pdf').read_bytes().startswith(b'%PDF')
    browser('Emulation.setEmulatedMedia', media='print')
    assert browser.evaluate('getComputedStyle(document.body).backgroundColor') == 'rgb(255, 255, 255)'
    assert browser.evaluate('getComputedStyle(document.querySelector("nav")).display') == 'none'
    assert browser.evaluate('getComputedStyle(document.querySelector(".scroll")).overflowX') == 'visible'
