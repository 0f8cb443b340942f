"""Images that become unreadable in mid-run: tried again, then skipped by name, up to a share."""

import shutil
import threading
import time

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS
from PIL import Image
from torch.utils.data import DataLoader

from mapsage_mmseg.datasets.sampler import DrawIndex
from mapsage_mmseg.datasets.tiles import dataset as folder
from mapsage_mmseg.datasets.tiles.skipped import SkippedImages
from mapsage_mmseg.engine import processes
from mapsage_mmseg.engine.hooks import RecordHook
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.evaluation.record import read_record
from tests import runs, tiny
from tests.processes import run_processes

LOADING = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PACKED = [*LOADING, dict(type='PackSegInputs')]


@pytest.fixture
def root(tmp_path):
    """Twelve training tiles and two for validation, 64 x 64."""
    draw = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 2)):
        for kind, shape, high in (('img_dir', (64, 64, 3), 256), ('ann_dir', (64, 64), 3)):
            (tmp_path / kind / split).mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, high, shape, np.uint8)
                Image.fromarray(pixels).save(tmp_path / kind / split / f't{number:02d}.png')
    (tmp_path / 'dataset.yaml').write_text('name: tiny\nclasses: [a, b, c]\n')
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(folder, 'PAUSES', (0.0, 0.01))


def build(root, pipeline=LOADING, **settings):
    return DATASETS.build(dict(type='FolderLandCover', data_root=str(root), pipeline=pipeline, **settings))


def image(root, number):
    return root / 'img_dir' / 'train' / f't{number:02d}.png'


def test_what_is_unreadable_for_a_moment_is_not_skipped(root, monkeypatch):
    monkeypatch.setattr(folder, 'PAUSES', (0.0, 0.1, 30.0))
    dataset, path = build(root), image(root, 3)
    expected = dataset[3]['img']
    path.rename(root / 'away')
    threading.Timer(0.3, lambda: (root / 'away').rename(path)).start()
    monkeypatch.setattr(time, 'sleep', lambda seconds, real=time.sleep: real(min(seconds, 1.0)))
    assert np.array_equal(dataset[3]['img'], expected)
    assert dataset.skipped_images() == []


@pytest.mark.parametrize('harm', ['gone', 'garbage', 'label gone'])
def test_the_image_before_takes_its_place(root, harm, monkeypatch):
    said = []
    monkeypatch.setattr(folder, 'print_log', lambda message, *_: said.append(message))
    dataset = build(root)
    before = dataset[2]['img']
    broken = root / 'ann_dir' / 'train' / 't03.png' if harm == 'label gone' else image(root, 3)
    broken.write_bytes(b'no image') if harm == 'garbage' else broken.unlink()
    for _ in range(2):
        assert np.array_equal(dataset[3]['img'], before)
    assert dataset.skipped_images() == ['img_dir/train/t03.png']
    assert len(said) == 1 and f'{broken} cannot be read' in said[0]


def test_the_draws_stay_those_of_the_image_that_is_missing(root):
    dataset = build(root)
    image(root, 0).unlink()
    shutil.rmtree(root / 'ann_dir' / 'val')  # nothing else is looked at
    index = dataset[DrawIndex(0, seed=4, epoch=7)]['sample_idx']
    assert (int(index), index.seed, index.epoch, index.drawn) == (11, 4, 7, 0)


def test_above_the_share_it_stops(root):
    dataset = build(root, max_unreadable=0.1)  # two of twelve
    for number in (3, 5, 7):
        image(root, number).unlink()
    dataset[3], dataset[5]
    with pytest.raises(InputError, match=r'3 of 12 images became unreadable, above the 2 that may .*t07.png'):
        dataset[7]
    with pytest.raises(InputError, match='max_unreadable=1.5 is a share'):
        build(root, max_unreadable=1.5)


def test_a_mistake_that_is_not_the_files_is_raised_as_it_is(root):
    dataset = build(root, [*LOADING, lambda results: results['nothing']])
    with pytest.raises(KeyError, match='nothing'):
        dataset[3]
    assert dataset.skipped_images() == []


def test_workers_tell_the_main_process(root):
    dataset = build(root, PACKED)
    image(root, 3).unlink()
    batches = list(DataLoader(dataset, batch_size=4, num_workers=2, collate_fn=list))
    assert len(batches) == 3 and dataset.skipped_images() == ['img_dir/train/t03.png']


def two_processes(root):
    processes.join('pytorch', {})
    folder.PAUSES = (0.0,)
    hook, rank = RecordHook(), torch.distributed.get_rank()
    hook.record = dict(dataset=dict(skipped=[]))
    dataset = build(root, max_unreadable=0.25)  # three of twelve
    torch.distributed.barrier()
    mine = ((3, 5), (7, 9))[rank]
    for number in mine:
        image(root, number).unlink()
    dataset[mine[0]]
    hook._note_skipped(dataset)
    names = ['img_dir/train/t03.png', 'img_dir/train/t07.png']
    assert hook.record['dataset']['skipped'] == names
    dataset[mine[1]]
    with pytest.raises(InputError, match=r'4 of 12 images became unreadable, above the 3 that may .*t09.png'):
        hook._note_skipped(dataset)
    assert len(hook.record['dataset']['skipped']) == 4
    processes.leave()


def test_two_processes_count_together(root):
    run_processes(two_processes, root)


@HOOKS.register_module()
class RemoveImage(Hook):
    """Takes an image away in the second epoch."""

    def __init__(self, path):
        self.path = path

    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            shutil.move(self.path, f'{self.path}.away')


def test_the_record_counts_them_and_a_resumed_run_still_does(root, tmp_path):
    model = tiny.student(classes=3)
    weights = []
    for name in ('a', 'b'):
        cfg = runs.config(tmp_path, name=name, epochs=3, model=model)
        for hook in ('phases', 'temperature', 'teacher'):
            cfg.default_hooks.pop(hook, None)
        for loader, split in (('train_dataloader', 'train'), ('val_dataloader', 'val')):
            pipeline = [step for step in cfg[loader].dataset.pipeline if 'Synthetic' not in step['type']]
            pipeline = [step for step in pipeline if not step['type'].startswith('Load')]
            cfg[loader].dataset = dict(
                type='FolderLandCover', data_root=str(root), split=split, pipeline=LOADING + pipeline
            )
        cfg.custom_hooks = [dict(type='RemoveImage', path=str(image(root, 3)))]
        runner = Runner.from_cfg(cfg)
        runner.train()
        weights.append(runner.model.state_dict())
        shutil.move(f'{image(root, 3)}.away', image(root, 3))
        assert read_record(tmp_path / name / 'result.json')['dataset']['skipped'] == ['img_dir/train/t03.png']
    assert all(torch.equal(weights[0][key], value) for key, value in weights[1].items())


@pytest.mark.parametrize(('images', 'share', 'allowed'), [(1, 0.01, 0), (1, 1.0, 0), (2, 0.01, 1), (5, 1.0, 4)])
def test_one_image_is_left(images, share, allowed):
    """Or the search for the nearest readable one before would have no end."""
    skipped = SkippedImages(images, share)
    for index in range(allowed):
        skipped.add(index)
    assert skipped.beyond() == []
    skipped.add(allowed)
    assert skipped.beyond() == [(allowed + 1, images, allowed)]


def test_some_have_the_share_for_themselves():
    """Of 4 images 1 may be skipped, of 200 others 2."""
    skipped = SkippedImages(204, 0.01, np.arange(204) >= 4)
    for index in (0, 10, 11):
        skipped.add(index)
    assert skipped.beyond() == []
    skipped.add(3)
    assert skipped.beyond() == [(2, 4, 1)]
    skipped.add(12)
    assert skipped.beyond() == [(2, 4, 1), (3, 200, 2)]
