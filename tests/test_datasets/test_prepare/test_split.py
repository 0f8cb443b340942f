"""The split by scene."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsage_mmseg.datasets.prepare import split_scenes
from mapsage_mmseg.errors import InputError

SCENES = {f't{number}': 100 for number in range(1, 9)}
SIZES = st.dictionaries(st.text('abc', min_size=1), st.integers(1, 10**6), min_size=2, max_size=12)


@settings(deadline=None)
@given(SIZES, st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_share_leaves_something_on_either_side_and_is_drawn_again_the_same(pixels, share, seed):
    chosen = split_scenes(pixels, [str(share)], seed)
    assert 0 < len(chosen) < len(pixels) and chosen <= set(pixels)
    assert chosen == split_scenes(dict(reversed(pixels.items())), [str(share)], seed)


def test_equal_scenes_are_shared_out_exactly():
    drawn = [split_scenes(SCENES, ['0.25'], seed) for seed in range(6)]
    assert {len(each) for each in drawn} == {2}
    assert len({frozenset(each) for each in drawn}) > 1


def test_names_and_expressions():
    assert split_scenes(SCENES, ['t1', 't8']) == {'t1', 't8'}
    assert split_scenes(SCENES, ['t[1-3]', 't8']) == {'t1', 't2', 't3', 't8'}
    assert split_scenes({'a': 1, 'a+': 1, 'b': 1}, ['a+']) == {'a+'}  # a name goes before an expression
    assert split_scenes({'3': 1, '4': 1}, ['3']) == {'3'}


@pytest.mark.parametrize(
    ('pixels', 'val', 'message'),
    [
        (SCENES, ['t9'], "--val 't9' matches no scene; expected a share between 0 and 1, or some of t1, t2"),
        (SCENES, ['1.5'], "--val '1.5' matches no scene"),
        (SCENES, ['t1', '0.2'], "--val '0.2' matches no scene"),
        (SCENES, ['t.*'], '--val t.* takes all 8 scenes'),
        (SCENES, ['(t'], "--val '(t' is no regular expression"),
        ({'a': 1}, ['0.2'], 'a is the only scene'),
    ],
)
def test_mistakes(pixels, val, message):
    with pytest.raises(InputError) as caught:
        split_scenes(pixels, val)
    assert message in str(caught.value)
