"""Charts: what is in the SVG, and what must not be."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from mapsage_mmseg.visualization import charts
from mapsage_mmseg.visualization.charts import Curve, bands_of, mean_of
from tests.records import record

CURVES = [
    Curve('control', '--s0', [[(1, 1.0), (2, 0.5)]], dashed=True),
    Curve('mine', '--s1', [[(1, 1.0), (2, 0.4)], [(1, 2.0), (2, 0.6)]]),
]


def text(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith('text')]


def test_the_mean_of_runs_by_hand_and_only_where_all_have_a_value():
    assert mean_of([[(1, 1.0), (2, 4.0), (3, 9.0)], [(1, 3.0), (2, 6.0)]]) == [(1, 2.0), (2, 5.0)]
    assert mean_of([[], [(1, 3.0)]]) == [(1, 3.0)]
    assert mean_of([]) == []


def test_phases_become_bands():
    assert bands_of(record()) == [(1, 1, 'task'), (2, 2, 'distill')]
    assert bands_of(record(epochs=[{**record()['epochs'][0], 'phase': None}])) == []


@pytest.mark.parametrize(
    'svg',
    [
        charts.task_loss(CURVES, 1.9459, [(1, 1, 'task'), (2, 2, 'distill')]),
        charts.miou(CURVES, 60.0),
        charts.agreement(CURVES),
        charts.temperature(CURVES),
        charts.terms('mine', 0, CURVES),
        charts.shares('mine', 0, CURVES),
    ],
)
def test_a_chart_is_well_formed_and_belongs_into_a_page(svg):
    root = ElementTree.fromstring(svg)
    assert root.attrib['role'] == 'img' and 'control: ' in root.attrib['aria-label']
    assert 'http' not in svg and '<style' not in svg and 'xlink' not in svg
    assert set(re.findall(r'#0000[0-9a-f]{2}', svg)) == set(), 'a colour that no variable stands for'
    assert 'epoch' in text(svg)


def test_text_is_text_and_chance_and_phases_are_named():
    found = text(charts.task_loss(CURVES, 1.9459, [(1, 1, 'task'), (2, 2, 'distill')]))
    assert {'chance level', 'task', 'distill', '1', '2'} <= set(found)
    assert 'teacher' in text(charts.miou(CURVES, 60.0))
    assert 'teacher' not in text(charts.miou(CURVES, None))


def test_those_who_do_not_see_it_are_told():
    label = ElementTree.fromstring(charts.task_loss(CURVES, 1.9459)).attrib['aria-label']
    assert label == (
        'Validation task loss; control: 1 in epoch 1, 0.5 in epoch 2; mine: 1.5 in epoch 1, 0.5 in epoch 2; '
        'chance level at 1.946'
    )


def test_several_runs_are_thin_and_their_mean_thick():
    svg = charts.agreement(CURVES)
    assert len(re.findall(r'stroke: var\(--s1\); stroke-opacity: 0.45; stroke-width: 0.8', svg)) == 2
    assert len(re.findall(r'stroke: var\(--s1\); stroke-width: 2.2', svg)) == 1
    assert 'stroke: var(--s0); stroke-opacity' not in svg  # one run is its own mean


def test_ids_of_two_charts_do_not_meet():
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (charts.agreement(CURVES), charts.miou(CURVES, None))]
    assert ids[0] and not ids[0] & ids[1]
    for svg in (charts.agreement(CURVES), charts.shares('mine', 1, CURVES)):
        known = set(re.findall(r'\bid="([^"]+)"', svg))
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(name, '') for name in known} | {
            ('', name) for name in known
        }


def test_a_name_of_any_kind_is_drawn_as_it_is_and_does_no_harm(recwarn):
    name = '<b>$\\frac{&"学生'
    svg = charts.terms(name, 0, [Curve(name, '--t0', [[(1, 1.0)]])], [(1, 1, name)])
    assert name in text(svg)
    assert name in ElementTree.fromstring(svg).attrib['aria-label']
    assert '<b>' not in svg
    assert not [warning for warning in recwarn if 'Glyph' in str(warning.message)]


def test_a_single_epoch_and_none_are_drawn():
    assert 'var(--s1)' in charts.agreement([Curve('mine', '--s1', [[(1, 50.0)]])])
    ElementTree.fromstring(charts.terms('mine', 0, [Curve('mine', '--s1', [[]])]))
    ElementTree.fromstring(charts.shares('mine', 0, []))
