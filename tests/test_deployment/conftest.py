"""A run that was really trained, small, and tiles as a user's folder holds them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mapsage_mmseg.commands import cli, export, train
from mapsage_mmseg.datasets.synthetic.drawing import draw_scene
from tests import small


@pytest.fixture(scope='session')
def trained(tmp_path_factory) -> Path:
    """The directory of a distillation of two epochs; its teacher lies under experiments/teachers beside it."""
    folder, before = tmp_path_factory.mktemp('trained'), Path.cwd()
    small.write_configs(folder)
    os.chdir(folder)
    try:
        assert cli.run(train.main, ['improved.py']) == 0
    finally:
        os.chdir(before)
    return next(folder.glob('experiments/improved_distill_*'))


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory) -> Path:
    """What `export.py student` left of the run; a module's own ``trained`` takes the place of this one's."""
    folder = tmp_path_factory.mktemp('exported')
    assert cli.run(export.main, ['student', str(trained), '-o', str(folder)]) == 0
    return folder


@pytest.fixture(scope='session')
def tiles(tmp_path_factory) -> Path:
    """Two validation tiles of 64 x 48 pixels and two training tiles, 7 classes, with a dataset.yaml."""
    folder = tmp_path_factory.mktemp('tiles')
    for split in ('train', 'val'):
        for kind in ('img_dir', 'ann_dir'):
            (folder / kind / split).mkdir(parents=True)
        for index in range(2):
            image, label = draw_scene(3, split, index, 64)
            Image.fromarray(np.ascontiguousarray(image[:48, :, ::-1])).save(folder / f'img_dir/{split}/{index}.png')
            Image.fromarray(label[:48]).save(folder / f'ann_dir/{split}/{index}.png')
    (folder / 'dataset.yaml').write_text('name: drawn\nclasses: [a, b, c, d, e, f, g]\nimg_suffix: .png\n')
    return folder
