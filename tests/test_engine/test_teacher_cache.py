"""Runs with a teacher cache: the teacher's forwards are counted, the cache is built, shared, resumed, refused."""

import copy
import itertools
import json
import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from mapsage_mmseg.compat import load_checkpoint_file
from mapsage_mmseg.datasets.transforms.map_store import MapKind
from mapsage_mmseg.datasets.transforms.replayed_pipeline import Replay
from mapsage_mmseg.engine.teachers.cache import Built, TeacherCache
from mapsage_mmseg.engine.teachers.cache_plan import content, kept_maps
from mapsage_mmseg.engine.teachers.keys import digest
from mapsage_mmseg.engine.teachers.store import read_teacher
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.weights_file import load_whole
from tests import runs, tiny

LOGITS = [
    dict(name='task', begin=1, end=1, weights=dict(task=1.0)),
    dict(name='distill', begin=2, weights=dict(task=1.0, distill=1.0)),
]
MAPS = [dict(name='distill', begin=1, weights=dict(task=1.0, distill=1.0, feature=0.5))]
ALL = [dict(name='distill', begin=1, weights=dict(task=1.0, distill=1.0, attention=0.1))]
TWO = [
    LOGITS[0],
    dict(LOGITS[1], end=2),
    dict(name='attention', begin=3, weights=dict(task=1.0, distill=1.0, attention=0.1)),
]


class Watch(Hook):
    """Counts the teacher's forwards in training steps, and keeps the logged terms of each."""

    def __init__(self):
        self.forwards, self.terms, self._training = [], [], False

    def before_train(self, runner):
        runner.model.teacher.register_forward_hook(lambda *arguments: self.forwards.append(self._training))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._training = True

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._training = False
        self.terms.append({key: float(value) for key, value in outputs.items()})


def configured(folder, cache='float16', phases=LOGITS, **kwargs):
    cfg = runs.config(folder, phases=phases, **{'epochs': 2, **kwargs})
    cfg.model.teacher_cache = cache
    return cfg


def trained(cfg):
    runner, watch = Runner.from_cfg(cfg), Watch()
    runner.register_hook(watch, 'LOWEST')
    runner.train()
    return runner, watch


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """A cache, built."""
    folder = tmp_path_factory.mktemp('cache')
    runner = Runner.from_cfg(configured(folder))
    runner._train_loop = runner.build_train_loop(runner.cfg.train_cfg)
    runner.model.build_teacher()
    weights, card = read_teacher(runner.cfg.model.teacher_ckpt)
    load_whole(runner.model.teacher, weights, '')
    cache = TeacherCache(runner, runner.model, card.sha256)
    assert cache.build().images == 11
    return cache


def records(cache):
    return {path.name: path.read_bytes() for path in cache.store.folder.glob('*') if path.suffix != '.json'}


def folders(folder):
    return sorted((folder / 'experiments' / 'teacher_cache').iterdir())


@pytest.mark.parametrize(('loop', 'workers'), [('epoch', 0), ('iter', 2)])
def test_no_step_runs_the_teacher_and_validation_still_knows_it(tmp_path, loop, workers):
    cfg = configured(tmp_path, loop=loop)
    cfg.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
    runner, watch = trained(cfg)
    assert True not in watch.forwards
    assert len(watch.terms) == 12
    assert all(terms['distill'] > 0 for terms in watch.terms[6:])
    record = json.loads((Path(runner.work_dir) / 'result.json').read_text())
    assert record['epochs'][-1]['val']['teacher_agreement'] is not None
    cache = record['teacher']['cache']
    assert (cache['images'], cache['built'], cache['levels']) == (11, 11, ['distill'])
    (folder,) = folders(tmp_path)
    files = sorted(folder.glob('*.npz'))
    assert [path.name for path in files] == [f'{i:06d}.npz' for i in range(11)]
    assert cache['bytes_per_image'] == files[0].stat().st_size
    assert 16 * 16 * 7 * 2 < cache['bytes_per_image'] < 16 * 16 * 7 * 2 + 1500
    assert cache['break_even_epochs'] > 0
    # flips alone: what differs from the live teacher is what a flip of the image changes in its answer
    assert cache['against_live']['decode_head.conv_seg']['images'] == 11
    assert 0 <= cache['against_live']['decode_head.conv_seg']['kl'] < 0.1


def test_of_images_that_nothing_changes_the_terms_are_the_live_teachers(tmp_path):
    found = []
    for name, cache in (('live', None), ('cached', dict(levels=['distill', 'feature']))):
        cfg = configured(tmp_path, cache, MAPS, name=name, epochs=1)
        cfg.train_dataloader.dataset.pipeline = [dict(type='SeedDraws'), dict(type='PackSegInputs')]
        found.append(trained(cfg))
    (live, counted), (cached, uncounted) = found
    assert (counted.forwards.count(True), uncounted.forwards.count(True)) == (6, 0)
    for one, other in zip(counted.terms, uncounted.terms, strict=True):
        assert one == pytest.approx(other, rel=2e-3)
    scores = cached.message_hub.get_info('distill/teacher')['cache']['against_live']
    assert scores['decode_head.conv_seg']['agreement'] > 99
    assert all(scores[f'backbone:{i}']['cosine'] > 0.999 for i in range(4))


def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(tmp_path):
    cfg = configured(tmp_path, name='whole', checkpoint=dict(by_epoch=False, interval=1, max_keep_ckpts=-1))
    whole, _ = trained(cfg)
    cfg = configured(tmp_path, name='resumed')
    cfg.load_from, cfg.resume = str(tmp_path / 'whole/checkpoints/iter_8.pth'), True
    resumed, _ = trained(cfg)
    assert resumed.message_hub.get_info('distill/teacher')['cache']['built'] == 0  # found
    expected = whole.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in resumed.model.state_dict().items())
    checkpoint = load_checkpoint_file(tmp_path / 'whole/checkpoints/iter_8.pth')
    assert not any('teacher' in key or 'served' in key for key in checkpoint['state_dict'])


def test_building_goes_on_where_it_stopped_and_mends_damage(cache):
    before = records(cache)
    cache.store.path(3).unlink()
    cache.store.path(4).write_bytes(before['000004.npz'][:1000])
    assert cache.build().images == 2
    assert records(cache) == before
    assert cache.build() == Built(0, 0.0)


def test_two_processes_that_build_at_once_share_the_work_and_leave_what_one_would(cache):
    alone = records(cache)
    for path in cache.store.folder.glob('*.npz'):
        path.unlink()
    context = multiprocessing.get_context('fork')
    start, counts = context.Barrier(2), context.SimpleQueue()

    def build():
        torch.set_num_threads(1)
        start.wait()
        counts.put(cache.build().images)

    processes = [context.Process(target=build) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert 11 <= counts.get() + counts.get() <= 22
    assert records(cache) == alone


def test_a_disk_that_is_too_small_is_noticed_after_one_image(cache, monkeypatch):
    for path in cache.store.folder.glob('*.npz'):
        path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr('shutil.disk_usage', lambda path: SimpleNamespace(free=10_000))
        with pytest.raises(InputError, match=r'11 images need .* GiB are left'):
            cache.build()
    assert len(records(cache)) == 1
    assert cache.build().images == 10


def test_the_key_follows_from_teacher_images_and_what_is_kept_and_from_nothing_else(tmp_path):
    base = configured(tmp_path)

    def key(*changes, sha256='a', **kind):
        config = copy.deepcopy(base)
        config.merge_from_dict(dict(changes))
        dataset = DATASETS.build(config.train_dataloader.dataset)
        kinds = dict(head=MapKind(**{'channels': 7, 'stride': 4, **kind}))
        return digest(content(config, dataset, Replay(dataset.pipeline.transforms), kinds, sha256))

    pipeline = base.train_dataloader.dataset.pipeline

    def with_step(**step):
        return 'train_dataloader.dataset.pipeline', [pipeline[0], step, *pipeline[1:]]

    same = [
        with_step(type='RandomCrop', crop_size=(32, 32)),
        ('model.data_preprocessor.size', (32, 32)),
        ('train_dataloader.batch_size', 3),
        ('train_dataloader.num_workers', 5),
        ('val_dataloader.dataset.length', 1),
        ('optim_wrapper.optimizer.lr', 2e-3),
    ]
    assert key(*same) == key()
    other = [
        with_step(type='Resize', scale=(96, 96)),
        ('train_dataloader.dataset.length', 10),
        ('train_dataloader.dataset.seed', 1),
        ('model.teacher_dtype', 'bfloat16'),
        ('model.teacher.backbone.num_heads', 4),
        ('model.data_preprocessor.bgr_to_rgb', False),
    ]
    keys = [key(), key(sha256='b'), key(top=3), key(stride=8), *(key(change) for change in other)]
    assert len(set(keys)) == len(keys)


def test_the_key_of_tiles_changes_with_their_content_not_with_their_place(tmp_path):
    keys = []
    for folder, shade in (('here', 0), ('there', 0), ('changed', 1)):
        for split, part in itertools.product(('img_dir', 'ann_dir'), ('train', 'val')):
            path = tmp_path / folder / split / part / 'tile.png'
            path.parent.mkdir(parents=True)
            pixels = np.full((32, 32, 3) if split == 'img_dir' else (32, 32), shade, np.uint8)
            Image.fromarray(pixels).save(path)
        (tmp_path / folder / 'dataset.yaml').write_text('name: tiles\nclasses: [water, land]\n')
        config = configured(tmp_path)
        steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
        config.train_dataloader.dataset = dict(
            type='FolderLandCover', data_root=str(tmp_path / folder), split='train', pipeline=steps
        )
        dataset = DATASETS.build(config.train_dataloader.dataset)
        keys.append(digest(content(config, dataset, Replay(dataset.pipeline.transforms), {}, 'a')))
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.slow
def test_top_k_serves_a_run_too(tmp_path):
    _, watch = trained(configured(tmp_path, 'top3'))
    assert True not in watch.forwards
    assert all(terms['distill'] > 0 for terms in watch.terms[6:])


@pytest.mark.slow
def test_in_a_phase_that_it_does_not_serve_the_teacher_runs_and_the_log_says_so(tmp_path):
    runner, watch = trained(configured(tmp_path, phases=TWO, epochs=3))
    assert watch.forwards.count(True) == 6
    (log,) = Path(runner.work_dir).rglob('*.log')
    text = log.read_text()
    assert 'in phase distill the teacher does not run' in text
    assert 'in phase attention the teacher runs for attention' in text


def repeated(cfg):
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', dataset=cfg.train_dataloader.dataset, times=2)


@pytest.mark.parametrize(
    ('phases', 'change', 'message'),
    [
        (ALL, None, r'keeps distill and would save nothing.*runs for attention too.*attention=None'),
        (LOGITS, repeated, 'dataset is RepeatDataset'),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_built(tmp_path, phases, change, message):
    cfg = configured(tmp_path, phases=phases)
    if change:
        change(cfg)
    with pytest.raises(InputError, match=message):
        Runner.from_cfg(cfg).train()
    assert not (tmp_path / 'experiments' / 'teacher_cache').exists()


def pair(cache, **changes):
    model = MODELS.build(dict(tiny.distill(**changes), teacher_cache=cache))
    model.build_teacher()
    return model


@pytest.mark.parametrize(
    ('cache', 'changes', 'message'),
    [
        (dict(levels=['attention']), {}, r'attention cannot be kept.*attn\.rows.*no map'),
        ('top7', {}, r"'top7' is no less than all 7 classes"),
        (dict(keep='top3', levels=['feature']), {}, r'levels\.feature has FeatureMSELoss of 8 channels'),
        ('float16', dict(distill=None), 'no level compares logits of 7 classes'),
    ],
)
def test_levels_that_cannot_be_kept_are_refused_by_name(cache, changes, message):
    with pytest.raises(InputError, match=message):
        kept_maps(pair(cache, **changes))


def test_what_is_kept_of_each_source():
    assert kept_maps(pair('top3')) == (('distill',), {'decode_head.conv_seg': MapKind(7, 4, 3)})
    _, kinds = kept_maps(pair(dict(levels=['feature'])))
    found = {source: (kind.channels, kind.stride) for source, kind in kinds.items()}
    assert found == {'backbone:0': (8, 4), 'backbone:1': (16, 8), 'backbone:2': (32, 16), 'backbone:3': (32, 32)}
