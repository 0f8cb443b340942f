"""What the tests share: MMSegmentation's registries as the default, and the real tiles where they are."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mapsage_mmseg.register  # noqa: F401
from mapsage_mmseg.deployment import find_student
from mapsage_mmseg.deployment.predictor import Predictor
from mapsage_mmseg.engine.teachers.store import write_teacher
from tests.drill import Drill
from tests.tool_process import Trainings

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module', autouse=True)
def what_is_there_stays() -> None:
    """MMEngine collects garbage for every data set that it builds: 0.2 s over what imports and earlier tests left."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session', autouse=True)
def format_code() -> Iterator[Callable[..., tuple[str, bool]]]:
    """YAPF takes 0.4 s for every new config: here none is formatted, but where a test puts this back."""
    from mmengine.config import config

    formats = config.FormatCode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, 'FormatCode', lambda text, **_: (text, True))
        yield formats


@pytest.fixture(scope='session', autouse=True)
def mmseg_scope() -> None:
    """Names without a prefix are MMSegmentation's, as in a run."""
    init_default_scope('mmseg')


@pytest.fixture(autouse=True)
def mmseg_scope_again(mmseg_scope) -> None:
    """The same, whatever an earlier test's Runner left."""
    init_default_scope('mmseg')


@pytest.fixture(scope='session', autouse=True)
def signals_as_at_a_terminal() -> None:
    """What a script starts in its background ignores SIGINT, and nohup SIGHUP; tests and their children would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope='session')
def dubai() -> Path:
    """The folder of the real tiles: ``$MAPSAGE_DUBAI``, or beside the repository."""
    beside = REPOSITORY / '../shared/data/dubai'
    folder = Path(os.environ.get('MAPSAGE_DUBAI', beside)).resolve()
    if not (folder / 'dataset.yaml').is_file():
        pytest.skip(f'no real tiles at {folder}; MAPSAGE_DUBAI names their folder')
    return folder


@pytest.fixture(scope='session')
def trainings() -> Iterator[Trainings]:
    """Starts trainings in processes of their own."""
    with Trainings() as trainings:
        yield trainings


@pytest.fixture(scope='session')
def drilled(trainings, tmp_path_factory) -> Drill:
    """A training that was not disturbed, and what disturbs others like it."""
    return Drill(trainings, tmp_path_factory.mktemp('drill'), seed=1)


@pytest.fixture(scope='session')
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope='session')
def full_teacher(tmp_path_factory) -> Path:
    """The built-in data's teacher at its full size, with random weights and a score of our choice."""
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(str(REPOSITORY / 'configs/distill/teacher.py')).model)
    model.init_weights()
    return write_teacher(tmp_path_factory.mktemp('teacher') / 'teacher.pth', model.state_dict(), dict(mIoU=50.0))


@pytest.fixture
def by_colour(monkeypatch) -> Predictor:
    """A model that sees one pixel, in place of whichever ``tools/predict.py`` is told: the brightest of three bands."""
    model = Predictor(
        logits=lambda image: image.transpose(0, 3, 1, 2).astype(np.float32),
        classes=('red', 'green', 'blue'),
        palette=((255, 0, 0), (0, 255, 0), (0, 0, 255)),
        sha256='0' * 64,
    )
    monkeypatch.setattr(find_student, 'load_predictor', lambda name, config: model)
    return model
