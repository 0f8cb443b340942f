"""A data set appears as a whole or not at all."""

import numpy as np
import pytest
from PIL import Image

from mapsage_mmseg.datasets.prepare import writing
from mapsage_mmseg.datasets.prepare.statistics import Counts
from mapsage_mmseg.datasets.prepare.writing import Staging, check_target, staging_folder, write_image
from mapsage_mmseg.errors import InputError

DONE = Counts(np.array([3, 4]), ignored=1, tiles=2, dropped=1)


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'tiles'


def test_what_was_finished_under_the_same_plan_is_kept(out):
    first = Staging(staging_folder(out), dict(size=256))
    assert first.finished('a') is None
    first.finish('a', DONE)
    image, _ = first.tile_files('train', 'a_r0000_c0000', '.png')
    write_image(image, np.zeros((4, 4, 3), np.uint8), 95)
    again = Staging(staging_folder(out), dict(size=256))
    assert again.finished('a').as_dict() == DONE.as_dict() and image.is_file()
    other = Staging(staging_folder(out), dict(size=128))
    assert other.finished('a') is None and not image.exists()


def test_half_a_line_counts_for_nothing(out):
    staging = Staging(staging_folder(out), {})
    staging.finish('a', DONE)
    staging.finish('b', DONE)
    journal = staging.folder / '.progress'
    journal.write_bytes(journal.read_bytes()[:-5])
    again = Staging(staging_folder(out), {})
    assert again.finished('a') and not again.finished('b')


def test_after_another_start_of_the_machine_nothing_counts(out, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, 'BOOT', tmp_path / 'boot')
    writing.BOOT.write_text('one')
    Staging(staging_folder(out), {}).finish('a', DONE)
    assert Staging(staging_folder(out), {}).finished('a')
    writing.BOOT.write_text('two')
    assert not Staging(staging_folder(out), {}).finished('a')


def test_what_others_keep_there_stays(out):
    staging_folder(out).mkdir()
    (staging_folder(out) / '.lock').touch()
    (staging_folder(out) / 'dataset.yaml').touch()
    Staging(staging_folder(out), {}, keep=('.lock',))
    assert sorted(path.name for path in staging_folder(out).iterdir()) == ['.lock', '.progress']


@pytest.mark.parametrize('empty', [False, True])
def test_publishing(out, empty):
    if empty:
        out.mkdir()
    staging = Staging(staging_folder(out), {}, keep=('.lock',))
    (staging.folder / '.lock').touch()
    staging.publish(out, dict(name='x', classes=['a', 'b']), {'notes.md': 'n'})
    assert sorted(path.name for path in out.iterdir()) == ['dataset.yaml', 'notes.md']
    assert (out / 'dataset.yaml').read_text() == 'name: x\nclasses: [a, b]\n' and not staging_folder(out).exists()


def test_nothing_is_overwritten(out, tmp_path):
    staging = Staging(staging_folder(out), {})
    assert check_target(str(out)) == out
    out.mkdir()
    assert check_target(str(out)) == out
    (out / 'mine').touch()
    for refuse in (lambda: check_target(str(out)), lambda: staging.publish(out, {}, {})):
        with pytest.raises(InputError, match='tiles .*not .*empty'):
            refuse()
    assert (out / 'mine').is_file() and (staging.folder / 'dataset.yaml').is_file()


@pytest.mark.parametrize('there', [True, False])
def test_a_link_stands_for_its_folder(out, tmp_path, there):
    target = tmp_path / 'elsewhere/large'
    if there:
        target.mkdir(parents=True)
    out.symlink_to(target)
    place = check_target(str(out))
    assert place == target
    Staging(staging_folder(place), {}).publish(place, dict(name='x'), {})
    assert out.is_symlink() and (out / 'dataset.yaml').is_file()


def test_a_place_where_nothing_can_be_made(out, tmp_path):
    (tmp_path / 'file').touch()
    out.symlink_to(out)
    for place in (tmp_path / 'file/tiles', tmp_path / 'file/more/tiles', out, '~nobody_of_that_name/tiles'):
        with pytest.raises(InputError, match=f'-o {place} cannot be made: '):
            check_target(str(place))
    for place, message in (('/proc/tiles', 'cannot be made: '), ('/proc', 'exists'), ('/', 'exists')):
        with pytest.raises(InputError, match=f'-o {place} {message}'):
            check_target(place)
    out.unlink()
    staging = Staging(staging_folder(out), {})
    out.touch()
    with pytest.raises(InputError, match='tiles was not empty any more; the data set is whole'):
        staging.publish(out, {}, {})


def test_a_parent_that_may_not_be_written(out, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, 'Permission denied', str(out))

    monkeypatch.setattr(writing.tempfile, 'mkdtemp', refuse)
    with pytest.raises(InputError, match='tiles cannot be made: Permission denied; name a folder elsewhere'):
        check_target(str(out))


def test_images(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    write_image(tmp_path / 'a/b.png', pixels, 95)
    assert (np.asarray(Image.open(tmp_path / 'a/b.png')) == pixels).all()
    write_image(tmp_path / 'grey.png', pixels[..., :1], 95)
    assert Image.open(tmp_path / 'grey.png').mode == 'L'
    write_image(tmp_path / 'a.jpg', pixels, 90)
    assert Image.open(tmp_path / 'a.jpg').format == 'JPEG'
