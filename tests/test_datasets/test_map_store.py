"""Maps on disk: what comes back through a crop, a flip, a resize; and what is refused."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mapsage_mmseg.datasets.transforms.map_store import MapKind, MapStore
from mapsage_mmseg.errors import InputError

HEIGHT, WIDTH = 62, 90  # no multiples of the stride
KINDS = dict(logits=MapKind(5, 4), deep=MapKind(3, 16))
IDENTITY = np.eye(3)


@pytest.fixture
def maps():
    random = np.random.RandomState(0)
    return dict(logits=random.randn(16, 23, 5).astype(np.float32), deep=random.randn(4, 6, 3).astype(np.float32))


@pytest.fixture
def store(tmp_path, maps):
    store = MapStore(tmp_path, KINDS)
    store.write(7, 'somewhere/tile.png', (HEIGHT, WIDTH), maps)
    return store


def sample(store, origin=IDENTITY, shape=(HEIGHT, WIDTH)):
    return store.sample(7, 'elsewhere/tile.png', (HEIGHT, WIDTH), origin, shape)


def test_an_image_that_nothing_moved_gets_its_maps_back(store, maps):
    found = sample(store)
    assert {source: values.dtype for source, values in found.items()} == dict(logits=np.float16, deep=np.float16)
    for source, values in maps.items():
        assert (found[source] == values.astype(np.float16).transpose(2, 0, 1)).all()


def test_flips_and_crops_by_whole_cells_are_exact(store, maps):
    flipped = np.array(
        [[-1, 0, 91], [0, 1, 0], [0, 0, 1]], float
    )  # of an image that is 92 wide, a whole number of cells
    found = sample(store, flipped, (HEIGHT, 92))['logits']
    assert (found == maps['logits'][:, ::-1].astype(np.float16).transpose(2, 0, 1)).all()
    cropped = np.array([[1, 0, 32], [0, 1, 16], [0, 0, 1]], float)
    found = sample(store, cropped, (32, 48))
    assert (found['logits'] == maps['logits'][4:12, 8:20].astype(np.float16).transpose(2, 0, 1)).all()
    assert (found['deep'] == maps['deep'][1:3, 2:5].astype(np.float16).transpose(2, 0, 1)).all()


def test_between_cells_it_is_bilinear_and_beyond_the_edge_it_goes_on(store, maps):
    """Against torch's own sampler, through a rotation, a stretch and a shift that leads out of the image."""
    angle = 0.4
    origin = np.array(
        [[0.8 * np.cos(angle), -np.sin(angle), 5.3], [np.sin(angle), 1.2 * np.cos(angle), -9.1], [0, 0, 1]]
    )
    found = sample(store, origin, (70, 100))['logits']
    y, x = np.meshgrid(np.arange(18) * 4 + 1.5, np.arange(25) * 4 + 1.5, indexing='ij')
    from_x, from_y, _ = np.einsum('ij,jhw->ihw', origin, np.stack([x, y, np.ones_like(x)]))
    assert from_y.min() < -5  # it does lead out
    grid = np.stack([(from_x + 0.5) / (23 * 4) * 2 - 1, (from_y + 0.5) / (16 * 4) * 2 - 1], axis=-1)
    values = torch.from_numpy(maps['logits'].astype(np.float16)).double().permute(2, 0, 1)[None]
    expected = F.grid_sample(
        values, torch.from_numpy(grid)[None], mode='bilinear', padding_mode='border', align_corners=False
    )
    np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-3)


def test_a_resized_image_spans_the_same_scene(tmp_path):
    """A linear function of the position survives every linear interpolation."""
    x = np.arange(16) * 4 + 1.5
    store = MapStore(tmp_path, dict(logits=MapKind(1, 4)))
    store.write(7, 'tile.png', (64, 64), dict(logits=np.broadcast_to(x[None, :, None] / 64, (16, 16, 1))))
    half = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    found = store.sample(7, 'tile.png', (64, 64), half, (32, 32))['logits'][0, 3]
    np.testing.assert_allclose(found, (2 * (np.arange(8) * 4 + 1.5) + 0.5) / 64, atol=5e-4)


def test_damage_is_noticed_and_named(store):
    assert store.sound(7)
    path = store.path(7)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not store.sound(7)
    with pytest.raises(InputError, match=r'000007\.npz is missing or damaged.*start again'):
        sample(store)
    path.write_bytes(content[:900])
    assert not store.sound(7)
    path.unlink()
    assert not store.sound(7)
    with pytest.raises(InputError, match='missing or damaged'):
        sample(store)


def test_no_bit_can_turn_unnoticed(store, maps):
    """Wherever it lies, the record is called damaged, or what it holds is what was written."""
    path, expected = store.path(7), sample(store)
    content, noticed = path.read_bytes(), 0
    for position in range(0, len(content), 23):
        path.write_bytes(content[:position] + bytes([content[position] ^ 16]) + content[position + 1 :])
        if not store.sound(7):
            noticed += 1
            continue
        found = sample(store)
        assert all((found[source] == values).all() for source, values in expected.items())
    assert noticed > 100


def test_a_record_of_other_sources_is_not_sound(store):
    assert not MapStore(store.folder, dict(logits=KINDS['logits'])).sound(7)


def test_another_image_is_refused(store):
    with pytest.raises(
        InputError, match=r"is of \('tile\.png', \(62, 90\)\), the data has \('other\.png'.*remove .* and start again"
    ):
        store.sample(7, 'other.png', (HEIGHT, WIDTH), IDENTITY, (HEIGHT, WIDTH))
    with pytest.raises(InputError, match=r'the data has .*64, 90'):
        store.sample(7, 'tile.png', (64, WIDTH), IDENTITY, (HEIGHT, WIDTH))


@pytest.mark.parametrize('value', [np.nan, np.inf, 7e4])
def test_what_float16_cannot_hold_is_refused(store, maps, value):
    maps['deep'][0, 0, 0] = value
    with pytest.raises(InputError, match=r'deep of tile\.png has values that float16 cannot hold'):
        store.write(8, 'tile.png', (HEIGHT, WIDTH), maps)
    assert [path.name for path in store.folder.iterdir()] == ['000007.npz']


def test_top_k_comes_back_as_logits_of_all_classes_in_a_fraction_of_the_bytes(tmp_path):
    logits = 3 * np.random.RandomState(1).randn(16, 16, 150).astype(np.float32)
    stores = {}
    for top in (None, 8):
        stores[top] = MapStore(tmp_path / str(top), dict(logits=MapKind(150, 4, top)))
        stores[top].folder.mkdir()
        stores[top].write(0, 'tile.png', (64, 64), dict(logits=logits))
    found = stores[8].sample(0, 'tile.png', (64, 64), IDENTITY, (64, 64))['logits']
    assert found.shape == (150, 16, 16)
    assert (found.argmax(axis=0) == logits.argmax(axis=-1)).all()
    sizes = [stores[top].path(0).stat().st_size for top in (8, None)]
    assert sizes[0] == pytest.approx(16 * 16 * 26, rel=0.2)
    assert sizes[1] == pytest.approx(16 * 16 * 300, rel=0.02)
