"""What every test shares."""

import os
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope

import mapsage_mmseg  # noqa: F401  (registers the modules)

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def mmseg_scope():
    """Types without a prefix are looked up as a config's ``default_scope = 'mmseg'`` does it."""
    init_default_scope('mmseg')


@pytest.fixture
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture
def dubai() -> Path:
    """Real aerial tiles; the test is skipped where there are none."""
    path = Path(os.environ.get('MAPSAGE_DUBAI', REPOSITORY.parent / 'shared' / 'data' / 'dubai'))
    if not (path / 'dataset.yaml').is_file():
        pytest.skip(f'the real tiles are not at {path}; set MAPSAGE_DUBAI to their folder')
    return path
