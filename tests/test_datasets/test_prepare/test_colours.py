"""What masks mean, and the files that say so."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mapsage_mmseg.datasets.prepare import ClassTable, read_classes
from mapsage_mmseg.errors import InputError
from tests import scenes

TABLE = ClassTable(scenes.CLASSES, scenes.PALETTE, ignored_colours=(scenes.GREY,), ignored_ids=(255,))


@settings(deadline=None)
@given(arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 255])))
def test_colours_and_numbers_say_the_same(label):
    assert (TABLE.labels(scenes.painted(label)) == label).all()
    assert (TABLE.labels(label[..., None]) == label).all()


def test_what_is_in_no_list():
    pixels = np.array([[[0, 0, 255], [0, 0, 254]], [[255, 0, 0], [155, 155, 155]]], np.uint8)
    assert TABLE.labels(pixels).tolist() == [[0, 254], [254, 255]]
    assert TABLE.labels(np.array([[[3]], [[300]], [[-1]]])).tolist() == [[254], [254], [254]]


def test_numbers_of_the_users_own():
    table = ClassTable(('no', 'house'), ids=(0, 255))
    assert table.labels(np.array([[[0], [255], [1]]], np.uint8)).tolist() == [[0, 1, 254]]


def write(tmp_path, content):
    file = tmp_path / 'classes.yaml'
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_yaml_with_colours(tmp_path):
    table = read_classes(write(tmp_path, scenes.IN_COLOURS))
    assert (table.classes, table.palette) == (scenes.CLASSES, scenes.PALETTE)
    assert table.ignored_colours == (scenes.GREY,) and table.by_colour


def test_yaml_with_numbers(tmp_path):
    table = read_classes(write(tmp_path, 'classes: [a, b]\npalette: ["#000000", "#FFFFFF"]\nids: [7, 3]\nignore: [0]'))
    assert (table.ids, table.ignored_ids, table.by_colour) == ((7, 3), (0,), False)


def test_json_of_a_labelling_tool(tmp_path):
    items = [dict(title='Water', shape='polygon', color='#50E3C2'), dict(title='Unlabeled', color='#9B9B9B')]
    content = dict(classes=[*items, dict(title='Land (unpaved area)', color='#F5A623')], tags=[])
    table = read_classes(write(tmp_path, content))
    assert table.classes == ('Water', 'Land (unpaved area)')
    assert table.palette == ((80, 227, 194), (245, 166, 35)) and table.ignored_colours == ((155, 155, 155),)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('- a', 'has no key classes'),
        ('classes: [a', 'cannot be read as YAML'),
        ('classes: [a]', "classes has ['a']; expected a list of 2 to 255 names"),
        ('classes: [a, b]\npalete: []', "unknown key 'palete'; the keys are classes, palette, ids, ignore"),
        ('classes: [a, b]\npalette: [[0, 0, 0]]', 'expected a list of 2 colours'),
        ('classes: [a, b]\npalette: [[0, 0, 0], "#12345x"]', "palette has '#12345x'"),
        ('classes: [a, b]\npalette: [[0, 0, 0], [0, 0, 0]]', 'palette has [0, 0, 0]; expected each colour once'),
        ('classes: [a, b]\npalette: [[0, 0, 0], [1, 1, 1]]\nignore: ["#010101"]', 'and none that is ignored'),
        ('classes: [a, b]\nids: [1]', 'ids has [1]; expected 2 whole numbers'),
        ('classes: [a, b]\nids: [1, 1]', 'ids has [1, 1]'),
        ('classes: [a, b]\nignore: [1]', 'ignore has 1; expected no number of a class'),
        ('classes: [a, b]\nignore: 255', 'ignore has 255; expected a list'),
        ('classes: [{name: a}, {name: b, color: "#000000"}]', "classes has {'name': 'a'}; expected a name and a color"),
    ],
)
def test_mistakes(tmp_path, content, message):
    file = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_classes(file)
    assert message in str(caught.value) and str(file) in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match='nowhere.yaml cannot be read'):
        read_classes(tmp_path / 'nowhere.yaml')
