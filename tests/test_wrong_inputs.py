"""Wrong inputs, one a line: each ends with status 2 and one line that says what, where and what to do."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

from mapsage_mmseg.commands import benchmark, cli, compare, doctor, repeat, test, train, tune
from mapsage_mmseg.settings.load import override
from tests import runs, small, tiny

LEVELS, HOOKS = 'model.distiller.levels', 'default_hooks'
OPTIONS = [
    # hooks
    (f'{HOOKS}.temperature.strat=8', "TemperatureHook takes no 'strat'; did you mean 'start'?"),
    (f'{HOOKS}.temperature.start=-1', 'temperature start=-1 must be a number above 0'),
    (f'{HOOKS}.temperature.start=hot', "temperature start='hot' must be a number above 0"),
    (f'{HOOKS}.temperature.shape=square', "temperature shape='square' must be one of linear, cosine, constant"),
    (f'{HOOKS}.temperature.type=TemperatureHok', "did you mean 'TemperatureHook'?"),
    (f'{HOOKS}.diagnosis.interval=-1', 'interval=-1 must be a number of iterations from 0'),
    (f'{HOOKS}.checkpoint.interval=often', "checkpoint.interval='often' must be a whole number"),
    (
        f'{HOOKS}.checkpoint.max_keep_ckpt=3',
        "RunCheckpointHook takes no 'max_keep_ckpt'; did you mean 'max_keep_ckpts'",
    ),
    # phases
    (f'{HOOKS}.phases.phases=3', 'phases=3 must be a list of dicts'),
    (f'{HOOKS}.phases.phases=[]', 'phases=[] names no phase'),
    (f'{HOOKS}.phases.phases.1.begin=4', 'leave a gap; phases[1].begin must be 2'),
    (f'{HOOKS}.phases.phases.1.begin=1', 'overlap; phases[1].begin must be 2'),
    (f'{HOOKS}.phases.phases.0.by=week', "phases[0].by='week' must be 'epoch' or 'iter'"),
    (f'{HOOKS}.phases.phases.1.weights.distil=0.5', 'weights.distil: no level of that name is declared; known:'),
    (f'{HOOKS}.phases.phases.1.weights.distill=-0.5', 'phases[1].weights.distill=-0.5 must be a number from 0'),
    (f'{HOOKS}.phases.phases.1.weights.distill=lots', "phases[1].weights.distill='lots' must be a number from 0"),
    # levels
    (f'{LEVELS}.distill.loss.type=LogitKL', "did you mean 'LogitKLLoss'?"),
    (f'{LEVELS}.distill.loss.temprature=2', "LogitKLLoss takes no 'temprature'; did you mean 'temperature'?"),
    (f'{LEVELS}.distill.loss.temperature=0', 'temperature=0 must be above 0'),
    (f'{LEVELS}.distill.loss.reduction=sum', "reduction='sum' must be 'mean' or 'batchmean'"),
    (f'{LEVELS}.distill.student=decode_head.conv_sg', 'nearest: decode_head.conv_seg'),
    (f'{LEVELS}.distill.teacher=backbone:9', 'levels.distill.teacher'),
    (f'{LEVELS}.feature.teacher=backbone:3', 'their numbers must be equal'),
    (f'{LEVELS}.attention.los=3', "levels.attention.los is unknown; did you mean 'loss'?"),
    (f'{LEVELS}.attention=3', 'levels.attention=3 must be a dict'),
    # models
    ('model.type=MultiLevelDistil', "did you mean 'MultiLevelDistill'?"),
    ('model.balance=share', "did you mean 'shares'?"),
    ('model.teacher_check=maybe', "model.teacher_check='maybe' must be 'error' or 'warn'"),
    ('model.teacher_dtype=int8', "model.teacher_dtype='int8' must be None or one of bfloat16, float16"),
    ('model.teacher_ckpt=nowhere.pth', "model.teacher_ckpt='nowhere.pth' does not exist"),
    ('model.architecture.decode_head.num_classes=5', 'teacher and student need the same classes'),
    (
        'model.architecture.backbone.embed_dim=16',
        "takes no 'embed_dim'; did you mean 'embed_dims'?",
    ),
    ('model.architecture.decode_head.in_channels=[1,2,3,4]', 'model.architecture: its forward fails on crops of'),
    ('model.teacher.backbone.num_heads=5', 'num_heads=5 does not divide embed_dims=32'),
    ('model.teacher.backbone.stem.type=ConvStm', "model.teacher.backbone.stem.type='ConvStm' is unknown"),
    ('model.data_preprocessor.mean=[0,0,0]', "data_preprocessor.mean differs from the student's"),
    # optimizer, schedule, loop
    ('optim_wrapper.optimizer.lrr=1e-4', "AdamW takes no 'lrr'; did you mean 'lr'?"),
    ('optim_wrapper.optimizer.lr=fast', 'config, optim_wrapper: TypeError'),
    ('optim_wrapper.optimizer.lr=-1', 'config, optim_wrapper: ValueError: Invalid learning rate: -1'),
    ('optim_wrapper.optimizer.type=AdamWW', "did you mean 'AdamW'?"),
    ('optim_wrapper.type=OptimWraper', "did you mean 'OptimWrapper'?"),
    ('param_scheduler.0.type=CosineAnnealing', "did you mean 'CosineAnnealingLR'?"),
    ('train_cfg.max_epochs=0', 'train_cfg.max_epochs=0 must be a whole number from 1'),
    ('train_cfg.max_epochs=many', "invalid literal for int() with base 10: 'many'"),
    ('train_cfg.max_epoch=3', "takes no 'max_epoch'; did you mean 'max_epochs'?"),
    ('train_cfg.type=EpochBasedLoop', "did you mean 'EpochBasedTrainLoop'?"),
    ('randomness.seed=abc', 'config, randomness'),
    # data
    ('train_dataloader.batch_size=0', 'train_cfg or train_dataloader: ValueError: batch_size should be a positive'),
    ('train_dataloader.batch_size=11', '10 images make no batch of 11'),
    ('train_dataloader.num_workers=-1', 'num_workers option should be non-negative'),
    ('train_dataloader.sampler.type=SeedSampler', "did you mean 'SeededSampler'?"),
    ('train_dataloader.dataset.type=SyntheticLand', "train_dataloader.dataset.type='SyntheticLand' is unknown"),
    ('train_dataloader.dataset.size=0', 'size=0; expected an integer of 32 or more'),
    ('train_dataloader.dataset.split=test', "split='test'; expected 'train' or 'val'"),
    ('train_dataloader.dataset.pipeline.0.type=SeedDraw', "pipeline[0].type='SeedDraw' is unknown"),
    ('val_evaluator.0.type=ClassIoUs', "val_evaluator[0].type='ClassIoUs' is unknown"),
    # places and the environment
    ('load_from=nowhere.pth', 'checkpoint nowhere.pth does not exist'),
    ('experiments=/proc/nowhere', 'cannot be made'),
    (
        'default_hooks.temprature.start=8',
        "default_hooks.temprature is no hook of this config: it has no type; did you mean 'temperature'?",
    ),
    ('train_dataloader.batchsize=8', "a data loader takes no 'batchsize'; did you mean 'batch_size'?"),
    ('env_cfg.mp_cfg.mp_start_method=spoon', "cannot find context for 'spoon'"),
    ('log_level=LOUD', 'config, log_level'),
]
COMMANDS = [
    (train, 'nowhere.py', 'config nowhere.py does not exist'),
    (train, 'teacher.pth', 'Only py/yml/yaml/json type are supported'),
    (train, 'broken.py', 'config broken.py cannot be read: SyntaxError'),
    (train, 'empty.py', 'trains nothing'),
    (train, 'improved.py --seed -1', '--seed -1 must be a whole number from 0'),
    (train, 'improved.py --seed 1.5', "invalid int value: '1.5'"),
    (train, 'improved.py --colour blue', 'unrecognized arguments: --colour blue'),
    (train, 'improved.py --work-dir teacher.pth', '--work-dir teacher.pth cannot be made'),
    (train, 'improved.py --work-dir /proc/run', '--work-dir /proc/run cannot be made'),
    (train, 'no_distill.py --resume', "no run of 'no_distill' lies under"),
    (train, 'improved.py --resume --work-dir elsewhere', 'elsewhere holds no checkpoint'),
    (train, 'improved.py --cfg-options nonsense', 'must read key=value'),
    (train, 'improved.py --cfg-options optim_wraper.optimizer.lr=1', "did you mean 'optim_wrapper'?"),
    (train, 'improved.py --cfg-options dataset.max_pixels=1', "the config has no 'dataset'"),
    (train, 'improved.py --data-root nowhere', '--data-root nowhere: no such folder'),
    (train, 'improved.py --data-root .', 'dataset.yaml is missing'),
    (test, 'improved.py', 'name the checkpoint to score'),
    (test, 'improved.py nowhere.pth', 'checkpoint nowhere.pth does not exist'),
    (test, 'improved.py cut.pth', 'checkpoint cut.pth cannot be read, it is cut short'),
    (test, 'improved.py payload.pth', 'was refused, nothing of it was executed'),
    (test, 'improved.py five_classes.pth', 'checkpoint five_classes.pth does not fit the config'),
    (test, 'improved.py teacher.pth', 'checkpoint teacher.pth does not fit the config'),
    (test, 'no_distill.py --teacher', 'this config has no teacher'),
    (doctor, 'no_distill.py', 'no_distill.py has no teacher; the doctor looks at distillations'),
    (doctor, 'improved.py --iterations 1', '--iterations 1 must be a whole number from 2'),
    (benchmark, 'no_distill.py', 'no_distill.py has no teacher'),
    (benchmark, 'improved.py --rounds 0', '--rounds 0 must be a whole number from 1'),
    (repeat, 'nowhere.py --seeds 0', 'config nowhere.py does not exist'),
    (tune, 'improved.py --trials 0', '--trials 0: must be a whole number from 1'),
    (compare, 'nowhere', 'nowhere'),
]


class Payload:
    def __reduce__(self):
        return os.system, ('touch executed',)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Small configs, their teacher's file, and files that are no good."""
    folder = tmp_path_factory.mktemp('wrong')
    small.write_configs(folder, epochs=1)
    teacher = runs.make_teacher(folder)
    with open(folder / 'improved.py', 'a') as file:
        file.write(f"model['teacher_ckpt'] = {str(teacher)!r}\n")
    (folder / 'broken.py').write_text('model = dict(')
    (folder / 'empty.py').write_text('a = 1')
    (folder / 'cut.pth').write_bytes(teacher.read_bytes()[:-1000])
    torch.save(dict(state_dict=Payload()), folder / 'payload.pth')
    torch.save(dict(state_dict=MODELS.build(tiny.student(classes=5)).state_dict()), folder / 'five_classes.pth')
    return folder


@pytest.fixture(autouse=True)
def loggers_of_earlier_tests(monkeypatch):
    """MMEngine's newest logger writes to a stream that its test has closed."""
    monkeypatch.setattr(logging, 'raiseExceptions', False)


def refused(capfd, tool, arguments, message):
    assert cli.run(tool.main, arguments) == 2
    error = capfd.readouterr().err
    assert message in error and 'Traceback' not in error
    said = [line for line in error.splitlines() if 'error: ' in line]
    assert len(said) == 1, error


@pytest.mark.parametrize(('option', 'message'), OPTIONS, ids=[option for option, _ in OPTIONS])
def test_a_setting_that_is_wrong(folder, monkeypatch, capfd, option, message):
    monkeypatch.chdir(folder)
    refused(capfd, train, ['improved.py', '--cfg-options', option], message)


def test_a_comma_in_a_path_makes_no_list(tmp_path):
    config = Config(dict(model=dict(teacher_ckpt='auto', sizes=[1, 2]), load_from=None))
    there = tmp_path / 'a,b.pth'
    there.touch()
    override(config, ['model.teacher_ckpt=/x,y/t.pth', f'load_from={there}', 'model.sizes=3,4'])
    assert config.model.teacher_ckpt == '/x,y/t.pth' and config.load_from == str(there) and config.model.sizes == [3, 4]


@pytest.mark.parametrize(('tool', 'line', 'message'), COMMANDS, ids=[line for _, line, _ in COMMANDS])
def test_a_command_that_is_wrong(folder, monkeypatch, capfd, tool, line, message):
    monkeypatch.chdir(folder)
    refused(capfd, tool, line.split(), message)
    assert not (folder / 'executed').exists()


TILES = dict(name='tiles', classes=['water', 'land', 'road'])


def _write(root, split='train', name='a', size=(40, 32), image=None, label=None, suffix='.png'):
    """An image and its label, (width, height) in size."""
    width, height = size
    files = root / 'img_dir' / split / f'{name}{suffix}', root / 'ann_dir' / split / f'{name}.png'
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((height, width, 3), np.uint8) if image is None else image
    label = np.arange(height * width, dtype=np.uint8).reshape(height, width) % 3 if label is None else label
    Image.fromarray(image).save(files[0])
    Image.fromarray(label).save(files[1])
    return files


def _without(path):
    return lambda root: (root / path).unlink()


def _bytes(path, content):
    return lambda root: (root / path).write_bytes(content)


def _label(array):
    return lambda root: Image.fromarray(array).save(root / 'ann_dir/train/a.png')


def _loop(root):
    (root / 'img_dir/train/a.png').unlink()
    (root / 'img_dir/train/a.png').symlink_to('a.png')


def _link_out(root):
    (root / 'img_dir/train/a.png').rename(root.parent / 'elsewhere.png')
    (root / 'img_dir/train/a.png').symlink_to(root.parent / 'elsewhere.png')


FOLDERS = {
    'no split': (lambda root: (root / 'img_dir/val').rename(root / 'kept'), 'val is missing; expected img_dir/'),
    'no label': (_without('ann_dir/train/a.png'), 'img_dir/train/a.png has no label'),
    'no image': (_without('img_dir/val/b.png'), 'img_dir/val holds no file that ends in .png'),
    'label of another name': (
        lambda root: (root / 'ann_dir/train/a.png').rename(root / 'ann_dir/train/z.png'),
        'img_dir/train/a.png has no label',
    ),
    'label beyond the classes': (_label(np.full((32, 40), 7, np.uint8)), 'label 7 at row 0, column 0'),
    'label of 16 bits beyond the classes': (_label(np.full((32, 40), 300, np.uint16)), 'label 300 at row 0'),
    'label in colours': (_label(np.zeros((32, 40, 3), np.uint8)), 'expected one channel of class numbers'),
    'label of another size': (_label(np.zeros((32, 41), np.uint8)), 'has 41x32 pixels; expected 40x32'),
    'broken image': (_bytes('img_dir/train/a.png', b'\x89PNG'), 'img_dir/train/a.png cannot be read'),
    'empty label': (_bytes('ann_dir/train/a.png', b''), 'ann_dir/train/a.png cannot be read'),
    'one pixel': (lambda root: _write(root, name='pixel', size=(1, 1)), 'pixel.png has 1x1 pixels; expected two'),
    'link of a file out of the folder': (_link_out, 'img_dir/train/a.png is a link that leads out of the data, to'),
    'name of two lines': (lambda root: _write(root, name='a\nb'), "holds 'a\\nb.png'; expected names without control"),
    'link to itself': (_loop, 'img_dir/train'),
    'only ignored pixels': (_label(np.full((32, 40), 255, np.uint8)), 'every pixel is 255 (ignore_index)'),
}
YAMLS = {
    'no mapping': ('- a', 'holds list'),
    'no classes': ('name: x', "key 'classes' is missing"),
    'one class': ('name: x\nclasses: [a]', "classes has ['a']"),
    'the same class twice': ('name: x\nclasses: [a, b, a]', 'classes'),
    'colour out of range': ('name: x\nclasses: [a, b]\npalette: [[0, 0, 0], [0, 0, 256]]', 'palette'),
    'colours too few': ('name: x\nclasses: [a, b]\npalette: [[0, 0, 0]]', 'palette'),
    'key misspelt': ('name: x\nclasses: [a, b]\nignore_indx: 9', "did you mean 'ignore_index'?"),
    'ignored class': ('name: x\nclasses: [a, b]\nignore_index: 1', 'ignore_index has 1'),
    'path for a suffix': ('name: x\nclasses: [a, b]\nimg_suffix: /../a.png', "img_suffix has '/../a.png'"),
    'path for a name': ('name: ../x\nclasses: [a, b]', "name has '../x'"),
    'code': ('name: !!python/object/apply:os.getcwd []\nclasses: [a, b]', 'cannot be read as YAML'),
}


@pytest.fixture
def tiles(tmp_path):
    _write(tmp_path / 'tiles')
    _write(tmp_path / 'tiles', 'val', 'b')
    (tmp_path / 'tiles/dataset.yaml').write_text('name: tiles\nclasses: [water, land, road]\n')
    return tmp_path / 'tiles'


@pytest.mark.parametrize('case', FOLDERS)
def test_a_folder_that_is_wrong(folder, tiles, monkeypatch, capfd, case):
    monkeypatch.chdir(folder)
    spoil, message = FOLDERS[case]
    spoil(tiles)
    refused(capfd, train, ['no_distill.py', '--data-root', str(tiles)], message)


def test_a_limit_of_pixels_that_is_given_on_the_command_line_holds_in_the_check(folder, tiles, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    options = ['--cfg-options', 'train_dataloader.dataset.max_pixels=1279']
    message = 'img_dir/train/a.png claims 1280 pixels, above the 1279 that an image may have'
    refused(capfd, train, ['no_distill.py', '--data-root', str(tiles), *options], message)


@pytest.mark.parametrize('case', YAMLS)
def test_a_dataset_yaml_that_is_wrong(folder, tiles, monkeypatch, capfd, case):
    monkeypatch.chdir(folder)
    text, message = YAMLS[case]
    (tiles / 'dataset.yaml').write_text(text)
    refused(capfd, train, ['no_distill.py', '--data-root', str(tiles)], message)


def test_a_folder_that_is_odd_is_trained_on(folder, tmp_path, monkeypatch):
    """Grey and RGBA images, few pixels, a long strip, sizes that nothing divides, labels with a palette."""
    monkeypatch.chdir(folder)
    root = tmp_path / 'odd'
    rng = np.random.default_rng(0)
    _write(root, name='grey', image=rng.integers(0, 256, (32, 40), np.uint8))
    _write(root, name='rgba', image=rng.integers(0, 256, (32, 40, 4), np.uint8))
    _write(root, name='pixels', size=(2, 2))
    _write(root, name='strip', size=(10_000, 20))
    _write(root, name='prime', size=(37, 61))
    label = Image.fromarray(np.arange(32 * 40, dtype=np.uint8).reshape(32, 40) % 3, mode='P')
    label.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    label.save(_write(root, name='palette')[1])
    for name, size in (('a', (2, 2)), ('b', (37, 61)), ('c', (1000, 20))):
        _write(root, 'val', name, size)
    (root / 'dataset.yaml').write_text('name: odd\nclasses: [water, land, road]\n')
    arguments = ['no_distill.py', '--data-root', str(root), '--work-dir', str(tmp_path / 'run')]
    padding = ['model.data_preprocessor.size=(128,128)', 'model.data_preprocessor.test_cfg.size_divisor=32']
    arguments += ['--cfg-options', *padding]  # as the package's configs have it
    assert cli.run(train.main, arguments) == 0
    assert Path(tmp_path / 'run/result.json').is_file()
