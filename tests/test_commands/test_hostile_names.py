"""Class and file names that are code to a browser, a terminal or a template: text everywhere, in a real run."""

import html
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mapsage_mmseg.commands import cli, compare, train
from mapsage_mmseg.evaluation.record import read_record
from tests import small

CLASSES = ['<script>alert(1)</script>', '"><img src=x onerror=alert(2)>', "{{ 7*7 }}' & [red]$x^2$ ../../etc"]
TILE = '<img src=x onerror=alert(3)>&{{ 7*7 }}[red]\'"$x^2$'


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A run over tiles of such names, with its report and a comparison."""
    folder = tmp_path_factory.mktemp('hostile')
    small.write_configs(folder, epochs=1)
    root, rng = folder / 'tiles', np.random.default_rng(0)
    for split in ('train', 'val'):
        for name in (TILE, f'{TILE}2'):
            for kind, shape, high in (('img_dir', (64, 64, 3), 256), ('ann_dir', (64, 64), 3)):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, high, shape, np.uint8)
                Image.fromarray(pixels).save(root / kind / split / f'{name}.png')
    (root / 'dataset.yaml').write_text(yaml.safe_dump(dict(name=CLASSES[0].replace('/', ''), classes=CLASSES)))
    before = set(folder.rglob('*'))
    arguments = ['--data-root', str(root), '--work-dir', str(folder / 'run')]
    options = ['train_dataloader.batch_size=2']
    assert cli.run(train.main, [str(folder / 'no_distill.py'), *arguments, '--cfg-options', *options]) == 0
    assert cli.run(compare.main, [str(folder / 'run'), '-o', str(folder / 'comparison.html')]) == 0
    written = set(folder.rglob('*')) - before
    assert {path.relative_to(folder).parts[0] for path in written} <= {'run', 'comparison.html', 'experiments'}
    return folder


@pytest.mark.parametrize('page', ['run/report.html', 'comparison.html'])
def test_a_page_shows_names_as_text(folder, page):
    source = (folder / page).read_text()
    tags = Tags(source)
    assert not {'script', 'iframe', 'object', 'base', 'form'} & {tag for tag, _ in tags.found}
    for tag, attributes in tags.found:
        assert not any(name.startswith('on') for name in attributes), (tag, attributes)
        for name in ('src', 'href'):
            assert attributes.get(name, '#').startswith(('#', 'data:image/', 'data:,')), (tag, attributes)
    text = ' '.join(tags.text)
    for name in CLASSES:
        assert name in text and name not in source
    assert html.escape(TILE, quote=False) in source.replace('&#39;', "'").replace('&#34;', '"')
    assert '49' not in text.split()


def test_the_record_has_the_names_as_they_are(folder):
    record = read_record(folder / 'run/result.json')
    assert record['dataset']['classes'] == CLASSES
    assert record['epochs'][-1]['val']['IoU'].keys() == set(CLASSES)


def test_pictures_lie_in_the_run_and_nowhere_else(folder):
    found = [path.relative_to(folder) for path in folder.rglob('pictures/*/image.jpg')]
    assert found and all(path.parts[:2] == ('run', 'pictures') for path in found)
    assert Path(found[0]).parent.name.startswith('<img src=x onerror=alert(3)>')
