"""The report as a page: what it says, and that nothing in a record can break it."""

import re
from html.parser import HTMLParser

import pytest

from mapsage_mmseg.evaluation.criteria import judge
from mapsage_mmseg.visualization.report import render
from tests.records import CLASSES, record

VOID = {'meta', 'link', 'img', 'br'}


class Page(HTMLParser):
    """Checks nesting, and keeps the visible text, tags and ids."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words, self.ids = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = ' '.join(' '.join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.ids += [attributes['id']] if 'id' in attributes else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for key, value in attributes if key == 'id']

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if 'style' not in self.open and 'title' not in self.open:
            self.words.append(data)


def three(mious=(52.0, 52.1, 51.9)):
    control = [record('no_distill', seed, 50.0) for seed in range(3)]
    mine = [record(seed=seed, miou=miou) for seed, miou in enumerate(mious)]
    for run, other in zip(mine, control, strict=True):
        run['criteria'] = judge(run, control=other)
    return control + mine


@pytest.fixture(scope='module')
def html():
    return render(three())


def test_the_answer_comes_first_and_then_its_reason(html):
    text = Page(html).text
    assert text.index('Was knowledge transferred? Yes improved_distill') < text.index('Comparison')
    assert 'Over 3 seeds mIoU +2.00 against no_distill' in text.replace('\xa0', ' ')
    assert '<title>improved_distill on tiles: Yes</title>' in html


def test_what_is_about_one_experiment_says_so_of_that_one():
    runs = [*three(), *(record('other', seed, 60.0 + seed / 10) for seed in range(3))]
    assert '<title>other on tiles: Yes</title>' in render(runs)  # the best
    page = render(runs, focus='improved_distill')
    assert '<title>improved_distill on tiles: Yes</title>' in page
    assert Page(page).text.count('other: yes.') == 1


def test_it_is_sound_html_with_headings_captions_and_alternative_texts(html):
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    tags = [tag for tag, _ in page.tags]
    assert tags.count('h1') == 1
    assert tags.count('table') == tags.count('caption') >= 7
    levels = [int(tag[1]) for tag in tags if re.fullmatch('h[1-6]', tag)]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert all(attributes.get('alt') for tag, attributes in page.tags if tag == 'img')
    assert all(attributes.get('aria-label') for tag, attributes in page.tags if tag == 'svg')
    assert all(attributes.get('scope') for tag, attributes in page.tags if tag == 'th')
    targets = {attributes['href'][1:] for tag, attributes in page.tags if tag == 'a'}
    assert targets <= set(page.ids)


def test_it_needs_nothing_besides(html):
    assert not re.search(r'https?:|//[a-z]|@import|<script', html)
    urls = [value for _, attributes in Page(html).tags for key, value in attributes.items() if key in ('src', 'href')]
    assert all(url.startswith(('#', 'data:')) for url in urls)


def test_the_tables_have_the_figures(html):
    text = Page(html).text
    for figure in ('52.00 ± 0.25', '+2.00 +1.75 to +2.25 ✓ better', '20 %', '3.7', '0.85', '0123456789ab'):
        assert figure in text, figure
    for word in (*CLASSES, 'knowledge transfer', 'epoch 5: task loss', 'not shown', 'chance level 1.0986'):
        assert word in text, word
    assert '--heat: 0.72' in html  # 72 %, the road


def test_a_finding_says_situation_evidence_and_what_to_try():
    found = dict(epoch=2, situation='weak_transfer', evidence='no rise', suggestion='a higher temperature')
    text = Page(render([record(seed=0, findings=[found]), record(seed=1, findings=[found])])).text
    assert (
        'improved_distill: weak transfer Seed 0, epoch 2: no rise Seed 1, epoch 2: no rise Try: a higher temp' in text
    )
    assert 'Findings' not in Page(render([record()])).text


def test_a_control_alone_and_a_run_that_has_just_begun():
    text = Page(render([record('no_distill')])).text
    assert 'nothing to transfer' in text and 'Was knowledge transferred?' not in text
    begun = Page(render([record(epochs=[], status='running')])).text
    assert 'Not shown' in begun and 'running after epoch 0' in begun


def test_without_a_control_it_says_how_to_get_one():
    assert 'configs/distill/no_distill.py' in Page(render([record()])).text


def test_whatever_a_record_says_stays_text():
    evil = '<script>alert(1)</script>"\'&{{ 7 * 7 }}'
    run = record(
        evil, config=evil, git_commit=evil, device=evil, versions={evil: evil}, path=f'/runs/{evil}/result.json'
    )
    run['dataset'].update(name=evil, classes=[evil, 'land', 'road'])
    run['teacher']['sha256'] = evil
    run['findings'] = [dict(epoch=1, situation=evil, evidence=evil, suggestion=evil)]
    run['criteria'] = {evil: dict(value=evil, target=evil, met=True, reason=evil)}
    for entry in run['epochs']:
        entry['phase'] = evil
        entry['val']['IoU'][evil] = 1.0
    html = render([run])
    page = Page(html)
    assert '<script' not in html and '49' not in re.findall(r'\b49\b', page.text)
    assert page.text.count('{{ 7 * 7 }}') > 8
