"""An exported student where this package never was: MMSegmentation's own commands, with compiled mmcv."""

import re

import numpy as np
import pytest

from tests.stock_environment import stock_python
from tests.under_stock import run_alone, under_stock

pytest.importorskip('safetensors', reason='needs the extra [deploy]')
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore')]
BARE = """
import importlib.util
import mmcv._ext, mmseg.apis
assert importlib.util.find_spec('mapsage_mmseg') is None
assert importlib.util.find_spec('mmrazor') is None
"""
INFER = """
import sys
import numpy as np
from mmseg.apis import MMSegInferencer
infer = MMSegInferencer('config.py', 'student.pth', device='cpu')
np.save(sys.argv[2], infer(np.load(sys.argv[1])[0])['predictions'])
"""


@pytest.fixture(scope='module')
def python():
    found = stock_python()
    run_alone([found, '-I', '-c', BARE], found.parent)
    return found


def test_its_model_scores_and_answers_as_here(trained, exported, tiles, python, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 50, 70, 3), np.uint8)
    here = under_stock(exported, images, tiles, tmp_path)
    there = under_stock(exported, images, tiles, tmp_path, python)
    for name in ('logits', 'classes', 'mIoU'):
        assert np.array_equal(there[name], here[name])


def test_mim_and_the_inferencer_take_it(exported, tiles, python, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 48, 3), np.uint8)
    here = under_stock(exported, images, tiles, tmp_path)
    run_alone([python, '-I', '-c', INFER, tmp_path / 'images.npy', tmp_path / 'found.npy'], exported)
    assert np.array_equal(np.load(tmp_path / 'found.npy'), here['logits'][0].argmax(0))
    options = ['--cfg-options', f'test_dataloader.dataset.data_root={tiles}', f'work_dir={tmp_path / "work"}']
    command = [python, '-m', 'mim', 'test', 'mmsegmentation', 'config.py', '--checkpoint', 'student.pth', *options]
    told = run_alone(command, exported)
    assert float(re.findall(r'mIoU: (\d+\.\d+)', told)[-1]) == pytest.approx(here['mIoU'])
