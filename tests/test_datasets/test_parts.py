"""The training split in two parts: scenes stay whole, and no tile is in both."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mapsage_mmseg.datasets.synthetic.dataset import SyntheticLandCover
from mapsage_mmseg.datasets.tiles import dataset as folder
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.datasets.tiles.parts import in_part, tuning_names
from mapsage_mmseg.errors import InputError


def scenes(**counts):
    return [f'{scene}_{number:03d}.png' for scene, count in counts.items() for number in range(count)]


def tuned(names, scene='^([a-z]+)_'):
    found = tuning_names(names, scene, 'folder')
    return sorted({name.split('_')[0] for name in found}), len(found)


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        (dict(a=8, b=1, c=1), (['b', 'c'], 2)),  # a fifth of 10 is 2
        (dict(a=4, b=3, c=3), (['c'], 3)),  # b too would be 6
        (dict(a=5, b=2, c=1), (['c'], 1)),  # 1 or 3 for 1.6: the nearer
        (dict(a=10, b=3, c=1), (['b', 'c'], 4)),  # 1 or 4 for 2.8
        (dict(a=1, b=99), (['b'], 99)),  # one scene is tuned on, whatever its size
        (dict(t2=36, t3=81, t4=108, t5=144, t6=81, t7=144), (['t7'], 144)),
    ],
)
def test_the_last_scenes_that_come_nearest_to_a_fifth(counts, expected):
    names = scenes(**counts)
    assert tuned(names, '^([a-z0-9]+)_') == expected
    assert tuned(names[::-1], '^([a-z0-9]+)_') == expected


@pytest.mark.parametrize(('count', 'expected'), [(2, 1), (5, 1), (10, 2), (13, 3), (594, 119)])
def test_without_scenes_it_is_the_last_block_of_names(count, expected):
    names = scenes(a=count)
    assert tuning_names(names, None, 'folder') == set(names[-expected:])


@given(st.dictionaries(st.text('abcde', min_size=1, max_size=3), st.integers(1, 30), min_size=2))
def test_scenes_stay_whole_and_both_parts_have_one(counts):
    names = scenes(**counts)
    found = tuning_names(names, '^([a-e]+)_', 'folder')
    fitted = set(names) - found
    assert found and fitted
    assert not {name.split('_')[0] for name in found} & {name.split('_')[0] for name in fitted}
    assert max(name.split('_')[0] for name in fitted) < min(name.split('_')[0] for name in found)


@pytest.mark.parametrize(
    ('names', 'scene', 'message'),
    [
        (['a_1', 'b_1'], '^(x)_', "scene='^(x)_' finds no scene in the name a_1"),
        (['a_1', 'b_1'], '^(x)?', "scene='^(x)?' finds no scene in the name a_1"),
        (['a_1', 'a_2'], '^(.)_', "a single scene ('^(.)_'); tuning needs two"),
        (['a_1'], None, 'a single tile'),
        (['a_1', 'b_1'], '^(', 'is no regular expression'),
        (['a_1', 'b_1'], '^._', "has no group; its first one names the scene, as in '^(t[0-9]+)_'"),
    ],
)
def test_tiles_that_cannot_be_divided(names, scene, message):
    with pytest.raises(InputError) as caught:
        tuning_names(names, scene, 'folder')
    assert message in str(caught.value) and str(caught.value).startswith('folder')


@pytest.fixture
def root(tmp_path):
    """Three scenes of three tiles to train on, one tile for validation; nothing is read of them."""
    for split, names in (('train', scenes(a=3, b=3, c=3)), ('val', scenes(d=1))):
        for kind in ('img_dir', 'ann_dir'):
            (tmp_path / kind / split).mkdir(parents=True)
            for name in names:
                (tmp_path / kind / split / name).touch()
    write_yaml(tmp_path)
    return tmp_path


def write_yaml(root, **content):
    (root / 'dataset.yaml').write_text(yaml.safe_dump(dict(name='tiles', classes=['water', 'land'], **content)))


def names(data):
    return [data.get_data_info(i)['img_path'] for i in range(len(data))]


@pytest.mark.parametrize('by', ['yaml', 'argument'])
def test_a_folder_is_divided_by_scene_and_validation_tiles_stay_out(root, by):
    scene = dict(scene='^([a-z])_')
    write_yaml(root, **(scene if by == 'yaml' else dict(scene='_(0+)')))  # the argument goes before the file
    parts = {
        part: names(FolderLandCover(str(root), part=part, **({} if by == 'yaml' else scene)))
        for part in ('fit', 'tune')
    }
    assert parts['fit'] == [f'{root}/img_dir/train/{name}' for name in scenes(a=3, b=3)]
    assert parts['tune'] == [f'{root}/img_dir/train/{name}' for name in scenes(c=3)]
    assert names(FolderLandCover(str(root))) == parts['fit'] + parts['tune']


def test_a_folder_without_scenes_says_so(root, monkeypatch):
    said = []
    monkeypatch.setattr(folder, 'print_log', lambda text, **settings: said.append(text))
    data = FolderLandCover(str(root), part='tune')
    assert names(data) == [f'{root}/img_dir/train/{name}' for name in scenes(c=3)[-2:]]
    assert len(said) == 1 and 'the last 2 of 9 tiles by name' in said[0]
    assert 'neighbouring tiles may share a scene' in said[0]
    names(FolderLandCover(str(root), part='tune', scene='^(.)_'))
    assert len(said) == 1


def test_scene_in_the_yaml_is_checked_when_it_is_read(root):
    write_yaml(root, scene='^t')
    with pytest.raises(InputError, match=r"dataset\.yaml: scene='\^t' has no group"):
        read_dataset_yaml(root)


def test_drawn_scenes_are_divided_the_same_for_every_length():
    few, many = (
        {part: set(names(SyntheticLandCover(length=length, part=part))) for part in (None, 'fit', 'tune')}
        for length in (96, 480)
    )
    assert [len(few[part]) for part in (None, 'fit', 'tune')] == [96, 77, 19]
    assert [len(many[part]) for part in (None, 'fit', 'tune')] == [480, 384, 96]
    assert few['fit'] | few['tune'] == few[None]
    assert not few['tune'] & many['fit']  # what a student is tuned on, its teacher has not seen
    assert [i for i in range(12) if in_part(i, 'tune')] == [4, 9]


@pytest.mark.parametrize('dataset', [SyntheticLandCover, FolderLandCover])
def test_parts_that_do_not_exist(dataset, root):
    arguments = dict(data_root=str(root)) if dataset is FolderLandCover else {}
    with pytest.raises(InputError, match="part='half'; expected 'fit' or 'tune'"):
        dataset(**arguments, part='half')
    with pytest.raises(InputError, match="part='tune' divides the training split"):
        dataset(**arguments, split='val', part='tune')


def test_too_few_scenes_to_divide():
    assert len(SyntheticLandCover(length=5, part='tune')) == 1
    with pytest.raises(InputError, match='length=4; expected an integer of 5 or more'):
        SyntheticLandCover(length=4, part='fit')


@pytest.mark.dubai
def test_real_tiles_by_scene(dubai):
    parts = {part: names(FolderLandCover(str(dubai), part=part, scene='^(t[0-9]+)_')) for part in ('fit', 'tune')}
    assert (len(parts['fit']), len(parts['tune'])) == (450, 144)
    assert {name.rpartition('/')[2][:2] for name in parts['tune']} == {'t7'}
