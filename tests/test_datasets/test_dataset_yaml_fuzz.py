"""Any text as a dataset.yaml: a data set or an InputError, nothing else."""

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapsage_mmseg.datasets.tiles.dataset_yaml import KEYS, DatasetSpec, is_plain, read_dataset_yaml
from mapsage_mmseg.datasets.tiles.parts import tuning_names
from mapsage_mmseg.errors import InputError

NAMES = ['img_dir/t1_a.png', 'img_dir/t2_b.png', 'img_dir/t3_c.png']
SOUND = 'name: x\nclasses: [a, b]\nimg_suffix: .png\n'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return tmp_path_factory.mktemp('tiles')


def read(root, text: str | bytes) -> DatasetSpec | None:
    """What a dataset.yaml of that text gives; None where it is refused, in one line that can be printed."""
    (root / 'dataset.yaml').write_bytes(text if isinstance(text, bytes) else text.encode('utf-8', 'surrogatepass'))
    try:
        spec = read_dataset_yaml(root)
        if spec.scene is not None:
            tuning_names(NAMES, spec.scene, 'here')
    except InputError as error:
        message = str(error)
        assert '\n' not in message and message.encode() and len(message) < 2000
        return None
    assert 2 <= len(spec.classes) == len(set(spec.classes)) == len(spec.palette) <= spec.ignore_index <= 255
    assert all(is_plain(name) and name.encode() for name in (spec.name, *spec.classes))
    for suffix in (spec.img_suffix, spec.seg_map_suffix):
        assert '.' in suffix and '..' not in suffix and '/' not in suffix
    return spec


# What PyYAML makes of a value, and what people and machines write by mistake.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 300),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.binary(max_size=4),
    st.sampled_from(
        ['a', 'b', 'tiles', '.png', '../x', 'a/b', '/etc/passwd', '^(t[0-9]+)_', '(', 'a{1}', '(?P<x>t)', '']
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
PALETTES = st.lists(st.lists(st.integers(-1, 256), min_size=2, max_size=4), min_size=1, max_size=4)
ENTRIES = st.dictionaries(st.sampled_from(KEYS), st.one_of(VALUES, PALETTES), max_size=7)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(entries=ENTRIES, sound=st.booleans())
def test_any_values_under_the_known_keys(root, entries, sound):
    base = dict(name='x', classes=['a', 'b', 'c'], img_suffix='.png') if sound else {}
    read(root, yaml.safe_dump({**base, **entries}, allow_unicode=True))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(max_size=60), before=st.sampled_from(['', SOUND, 'name: x\nclasses: ', 'name: x\nclasses: [a, ']))
def test_any_text(root, text, before):
    read(root, before + text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                'name: ',
                'classes: ',
                'palette: ',
                '[',
                ']',
                '{',
                '}',
                '\n',
                '  ',
                '- ',
                ': ',
                ', ',
                'a',
                '&x ',
                '*x',
                '!!int ',
            ]
            + [
                '!!python/name:os.system ',
                '? ',
                '| ',
                '> ',
                '"',
                "'",
                '#',
                '0x',
                '1e9',
                '.inf',
                '2020-13-45',
                '0b',
                '~',
                '%',
            ]
        ),
        max_size=14,
    )
)
@example(['name: ', '2020-13-45'])
@example(['classes: ', '&x ', '[', '*x', ']'])
def test_any_pieces_of_yaml(root, pieces):
    read(root, ''.join(pieces))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(content=st.binary(max_size=40))
def test_any_bytes(root, content):
    read(root, content)
    read(root, SOUND.encode() + content)


BILLIONS = '\n'.join(
    ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    + [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 10)]
)


@pytest.mark.parametrize(
    'text',
    [
        '[' * 1000,
        '{a: ' * 500,
        BILLIONS + '\n',
        'name: x\nclasses: ' + BILLIONS.replace('\n', ', ').replace('a0: ', '[', 1) + ']',
        'name: x\nignore_index: &a [*a]\nclasses: [a, b]\n',
        f'name: 0x{"f" * 5000}\nclasses: [a, b]\n',
        f'0x{"f" * 5000}: x\n',
        f'name: {"9" * 5000}\n',
        'name: 2020-02-31\nclasses: [a, b]\n',
        'name: "\\ud800"\nclasses: [a, b]\n',
        'name: x\nclasses: ["a\\ud800", b]\n',
        'name: x\nclasses: ["a\\nb", c]\n',
        'name: x\nclasses: ["\\e[2J", c]\n',
        SOUND + 'seg_map_suffix: ".\\0png"\n',
        SOUND + "scene: 'a{99999999999999999999}'\n",
        SOUND + f"scene: '{'(' * 3000}{')' * 3000}'\n",
        SOUND + 'scene: [1]\n',
        f'name: x\nclasses: [{"a" * 100_000}, 7]\n',
        '? [a, b]\n: c\n',
        '\ufeff[',
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_texts_that_once_broke_it_or_nearly_did(root, text):
    assert read(root, text) is None


def test_values_that_refer_to_values_are_not_written_out(root):
    """A few lines of references stand for ten billion words."""
    chain = '\n'.join(f'  - &b{i} [{", ".join([f"*b{i - 1}"] * 10)}]' for i in range(1, 10))
    assert read(root, f'name: x\nclasses:\n  - &b0 [x, x, x, x, x, x, x, x, x, x]\n{chain}\n') is None


def test_a_sound_one_is_read(root):
    assert read(root, SOUND).classes == ('a', 'b')
    assert read(root, 'name: 土地\nclasses: [水　体, "<b>&amp;</b>"]\nimg_suffix: .png\n').classes[1] == '<b>&amp;</b>'
