"""Which mask belongs to which image, in the layouts that data sets come in."""

import pytest

from mapsage_mmseg.datasets.prepare import find_pairs
from mapsage_mmseg.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Makes empty files by name."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def found(folder, *arguments, **options):
    pairs = find_pairs(folder, *arguments, **options)
    return {pair.name: (pair.image.name, pair.mask.name, pair.scene) for pair in pairs}


def test_folders_of_images_and_masks(folder):
    root = folder('images/b.jpg', 'images/a.jpg', 'masks/a.png', 'masks/b.png', 'masks/spare.png', 'classes.json')
    assert found(root) == {'a': ('a.jpg', 'a.png', 'a'), 'b': ('b.jpg', 'b.png', 'b')}
    assert list(found(root)) == ['a', 'b']


def test_masks_elsewhere_with_a_suffix_that_is_found(folder):
    root = folder('scenes/north/a.tif', 'scenes/south/a.tif', 'truth/north/a_label.tif', 'truth/south/a_label.tif')
    pairs = found(root / 'scenes', root / 'truth')
    assert pairs == {f'{name}_a': ('a.tif', 'a_label.tif', f'{name}_a') for name in ('north', 'south')}


def test_beside_each_other_by_suffix(folder):
    root = folder('x.tif', 'x_mask.tif', 'y.tif', 'y_mask.png', '.hidden_mask.png', 'notes.txt')
    assert found(root) == {'x': ('x.tif', 'x_mask.tif', 'x'), 'y': ('y.tif', 'y_mask.png', 'y')}


def test_beside_each_other_the_png_is_the_mask(folder):
    root = folder('x.jpg', 'x.png', 'y.tif', 'y.png')
    assert found(root) == {'x': ('x.jpg', 'x.png', 'x'), 'y': ('y.tif', 'y.png', 'y')}


def test_a_file_that_is_called_like_the_suffix_is_no_mask(folder):
    root = folder('images/x.tif', 'masks/x_mask.tif', 'masks/_mask.tif')
    assert found(root, mask_suffix='_mask') == {'x': ('x.tif', 'x_mask.tif', 'x')}


def test_both_with_suffixes(folder):
    root = folder('top_2_10_RGB.tif', 'top_2_10_IRRG.tif', 'top_2_10_label.tif')
    pairs = found(root, image_suffix='_RGB', mask_suffix='_label')
    assert pairs == {'top_2_10': ('top_2_10_RGB.tif', 'top_2_10_label.tif', 'top_2_10')}


def test_several_images_of_a_scene(folder):
    root = folder('images/t1_p1.jpg', 'images/t1_p2.jpg', 'images/t2_p1.jpg', 'masks/t1_p1.png', 'masks/t1_p2.png')
    folder('masks/t2_p1.png')
    assert [scene for *_, scene in found(root, scene='^(t[0-9]+)_').values()] == ['t1', 't1', 't2']
    refused('finds no scene in the name t1_p1_r0000_c0000', root, scene='^(s[0-9]+)_')
    refused('has no group', root, scene='t')


def refused(message, *arguments, **options):
    with pytest.raises(InputError) as caught:
        find_pairs(*arguments, **options)
    assert message in str(caught.value) and '\n' not in str(caught.value)


def test_what_does_not_pair(folder):
    root = folder('images/a.jpg', 'masks/b.png')
    refused(f'{root}/images/a.jpg has no mask; expected {root}/masks/a, with another ending', root)
    refused('holds no image whose name ends in _x', root, image_suffix='_x')
    refused('nowhere: no such folder', root / 'nowhere')
    refused('nowhere: no such folder', root, root / 'nowhere')
    folder('masks/a.png', 'masks/a.tif')
    refused(f'could have the masks {root}/masks/a.png and {root}/masks/a.tif', root)


def test_one_name_for_two(folder):
    root = folder('images/a/b.jpg', 'images/a_b.jpg', 'masks/a/b.png', 'masks/a_b.png')
    refused('are both called a_b; rename one', root)


def test_no_image_at_all(folder):
    refused('holds no image; expected files of .png', folder('readme.txt'))
