"""A run's key: what changes it, and what does not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

from mapsage_mmseg.engine.runs.key import run_key
from mapsage_mmseg.engine.teachers.keys import content_key, data_key, scored_key
from mapsage_mmseg.engine.teachers.recipes import load_recipe
from mapsage_mmseg.engine.teachers.store import key_of_file
from mapsage_mmseg.settings.data_root import apply_data_root
from mapsage_mmseg.settings.load import load_config, override
from tests import runs

SAME = [
    'randomness.seed=7',
    'experiment=another',
    'experiments=elsewhere',
    'work_dir=elsewhere',
    'resume=True',
    'launcher=pytorch',
    'log_level=DEBUG',
    'log_processor.window_size=5',
    'visualizer.vis_backends=None',
    'default_hooks.logger.interval=1',
    'default_hooks.panels.images=0',
    'default_hooks.progress=None',
    'default_hooks.checkpoint.max_keep_ckpts=9',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'model.teacher_check=warn',
    'test_dataloader.dataset.length=3',
]
OTHER = [
    'model.architecture.backbone.drop_path_rate=0.2',
    'model.teacher.backbone.num_layers=2',
    'model.distiller.levels.attention=None',
    'default_hooks.phases.phases.1.weights.distill=0.5',
    'default_hooks.temperature.start=8',
    'optim_wrapper.optimizer.lr=2e-4',
    'param_scheduler.0.eta_min_ratio=0.1',
    'train_cfg.max_epochs=7',
    'train_dataloader.batch_size=2',
    'train_dataloader.dataset.length=8',
    'train_dataloader.dataset.pipeline.1.prob=0.1',
    'val_dataloader.dataset.length=8',
    'train_dataloader.dataset.part=fit',
    'load_from=weights.pth',
]


@pytest.fixture
def key(repository):
    def key_of(*options, name='improved'):
        config = load_config(repository / f'configs/distill/{name}.py')
        override(config, options)
        return run_key(config)

    return key_of


@pytest.mark.parametrize('option', SAME)
def test_seed_place_and_looks_leave_the_key_alone(key, option):
    assert key(option) == key()


def test_everything_else_changes_it_each_in_its_own_way(key):
    keys = [key(), *(key(option) for option in OTHER), key(name='baseline'), key(name='no_distill')]
    assert len(set(keys)) == len(OTHER) + 3
    assert all(len(found) == 16 for found in keys)


def test_a_teacher_is_named_by_what_it_follows_from_or_by_its_content(key, repository, tmp_path):
    config = load_config(repository / 'configs/distill/improved.py')
    kept = f'/anywhere/teachers/{content_key(load_recipe(config))}/teacher.pth'
    assert key(f'model.teacher_ckpt={kept}') == key()  # whether it was trained yet, or moved
    for folder, content in (('a', b'one'), ('b', b'one'), ('c', b'other')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'teacher.pth').write_bytes(content)
    one, same, other = (key(f'model.teacher_ckpt={tmp_path}/{folder}/teacher.pth') for folder in 'abc')
    assert one == same and len({one, other, key()}) == 3


@pytest.mark.parametrize('path', ['teacher.pth', 'k/teacher.pth', 'teachers/k/best.pth', '/teacher.pth', ''])
def test_a_file_from_elsewhere_has_no_key_of_its_own(path):
    assert key_of_file(path) is None
    assert key_of_file('/x/teachers/k/teacher.pth') == key_of_file('teachers/k/teacher.pth') == 'k'


@pytest.fixture
def tiles(tmp_path):
    """A folder of tiles: three scenes of two to train on, one for validation."""
    for split, names in (('train', ('a1', 'a2', 'b1', 'b2', 'c1', 'c2')), ('val', ('d1',))):
        for kind in ('img_dir', 'ann_dir'):
            (tmp_path / 'tiles' / kind / split).mkdir(parents=True)
        for name in names:
            pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) % 3
            Image.fromarray(np.stack([pixels] * 3, 2)).save(tmp_path / f'tiles/img_dir/{split}/{name}.png')
            Image.fromarray(pixels).save(tmp_path / f'tiles/ann_dir/{split}/{name}.png')
    (tmp_path / 'tiles/dataset.yaml').write_text('name: tiles\nclasses: [a, b, c]\n')
    return tmp_path / 'tiles'


def test_tiles_to_validate_on_that_lie_elsewhere_are_other_data(tiles, repository):
    config = load_config(repository / 'configs/distill/no_distill.py')
    apply_data_root(config, str(tiles))
    keys = [(data_key(config), scored_key(config))]
    other = shutil.copytree(tiles, tiles.with_name('other'))
    config.val_dataloader.dataset.data_root = str(other)
    keys.append((data_key(config), scored_key(config)))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(next(other.glob('ann_dir/val/*.png')))
    keys.append((data_key(config), scored_key(config)))
    for each in zip(*keys, strict=True):
        assert len(set(each)) == 3


def test_tiles_are_named_by_their_content(tiles, repository):
    def keys(root, part=None, scene=None):
        config = load_config(repository / 'configs/distill/no_distill.py')
        apply_data_root(config, str(root))
        if part:
            config.train_dataloader.dataset.part = part
        if scene:
            config.train_dataloader.dataset.scene = scene
        return run_key(config), data_key(config)

    first = keys(tiles)
    moved = tiles.rename(tiles.with_name('moved'))
    assert keys(moved) == first
    found = [first, keys(moved, 'fit'), keys(moved, 'fit', '^([a-z])')]
    (moved / 'dataset.yaml').write_text("name: tiles\nclasses: [a, b, c]\nscene: '^(.)'\n")
    assert keys(moved) == first  # a run on all of the tiles does not ask for their scenes
    found.append(keys(moved, 'fit'))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(moved / 'ann_dir/train/a1.png')
    found.append(keys(moved))
    for each in zip(*found, strict=True):
        assert len(set(each)) == len(found)


def test_a_record_carries_the_key_and_a_resumed_run_keeps_it(tmp_path):
    cfg = runs.config(tmp_path, epochs=1)
    key = run_key(cfg)
    Runner.from_cfg(cfg).train()
    record = json.loads((Path(cfg.work_dir) / 'result.json').read_text())
    assert record['key'] == key
    longer = runs.config(tmp_path, epochs=2, name='longer')
    longer.train_cfg.max_epochs = 1
    Runner.from_cfg(longer).train()
    longer.train_cfg.max_epochs, longer.resume = 2, True
    Runner.from_cfg(longer).train()
    record = json.loads((Path(longer.work_dir) / 'result.json').read_text())
    assert len(record['epochs']) == 2
    assert record['key'] == run_key(runs.config(tmp_path, epochs=2)) != key
