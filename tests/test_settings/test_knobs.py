"""Knobs: which a config has, what turning them changes, and runs of another length."""

import pytest
from mmengine.config import Config

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.schedules import PhaseSchedule
from mapsage_mmseg.settings import run_length
from mapsage_mmseg.settings.knobs import changes, knobs_of
from mapsage_mmseg.settings.load import load_config
from mapsage_mmseg.settings.run_length import off_schedule, set_epochs
from mapsage_mmseg.settings.search_space import SPACE, WEIGHT
from mapsage_mmseg.training.options import TrainOptions
from mapsage_mmseg.training.session import prepare
from mapsage_mmseg.training.tuned_config import write_tuned


@pytest.fixture
def load(repository):
    return lambda name: load_config(repository / f'configs/distill/{name}.py')


EVERY = [
    'temperature_start',
    'temperature_end',
    'warmup',
    'connector_layers',
    'learning_rate',
    'weight_task',
    'weight_distill',
    'weight_feature',
    'weight_attention',
]


@pytest.mark.parametrize(
    ('name', 'missing'),
    [
        ('improved', set()),
        ('baseline', {'temperature_end', 'weight_attention'}),
        ('ablations/no_attention', {'weight_attention'}),
        ('ablations/fixed_temperature', {'temperature_end'}),
        ('no_distill', {*EVERY} - {'learning_rate'}),
    ],
)
def test_a_config_has_the_knobs_that_it_has_a_use_for(load, name, missing):
    assert list(knobs_of(load(name))) == [knob for knob in EVERY if knob not in missing]


def test_ranges_are_those_of_the_search_space(load):
    config = load('improved')
    assert knobs_of(config) == SPACE
    config.model.distiller.levels.edges = config.model.distiller.levels.distill
    assert knobs_of(config)['weight_edges'] == WEIGHT
    assert list(knobs_of(config, ['weight_task', 'warmup'])) == ['warmup', 'weight_task']


def test_phases_that_are_more_than_a_warm_up_have_no_such_knob(load):
    config = load('improved')
    config.default_hooks.phases.phases[0].weights.feature = 0.1
    assert 'warmup' not in knobs_of(config)
    config = load('improved')
    for phase in config.default_hooks.phases.phases:
        phase.by = 'iter'
    assert 'warmup' not in knobs_of(config)


@pytest.mark.parametrize('name', ['colour', 'weight_edges', 'temperature_end'])
def test_a_knob_that_is_not_there(load, name):
    with pytest.raises(InputError, match=rf'--knobs {name}: .*baseline\.py has temperature_start, warmup'):
        knobs_of(load('baseline'), [name, 'warmup'])


def test_every_range_holds_what_the_improved_experiment_uses(load):
    config = load('improved')
    task, distill = config.default_hooks.phases.phases
    used = dict(
        temperature_start=config.default_hooks.temperature.start,
        temperature_end=config.default_hooks.temperature.end,
        warmup=task.end / config.train_cfg.max_epochs,
        connector_layers=1,
        learning_rate=config.optim_wrapper.optimizer.lr,
        **{f'weight_{term}': weight for term, weight in distill.weights.items()},
    )
    for name, value in used.items():
        knob = SPACE[name]
        assert value in knob.get('choices', [value])
        assert knob.get('low', value) <= value <= knob.get('high', value), name


def test_what_turning_changes(load):
    values = dict(
        temperature_start=7.0,
        warmup=0.3,
        learning_rate=3e-4,
        weight_distill=0.9,
        weight_attention=0.02,
        connector_layers=1,
    )
    assert changes(load('improved'), values) == dict(
        optim_wrapper=dict(optimizer=dict(lr=3e-4)),
        default_hooks=dict(
            temperature=dict(start=7.0),
            phases=dict(
                phases=[
                    dict(name='task', begin=1, end=8, by='epoch', weights=dict(task=1.0)),  # 0.3 of 25 epochs
                    dict(
                        name='distill',
                        begin=9,
                        by='epoch',
                        weights=dict(task=0.6, distill=0.9, feature=0.1, attention=0.02),
                    ),
                ]
            ),
        ),
    )


@pytest.mark.parametrize(('share', 'ends'), [(0.0, []), (0.01, []), (0.4, [10])])
def test_a_warm_up_may_be_none(load, share, ends):
    for name in ('improved', 'baseline'):
        phases = changes(load(name), dict(warmup=share))['default_hooks']['phases']['phases']
        assert [phase['end'] for phase in phases[:-1]] == ends
        assert len(PhaseSchedule(phases).phases) == len(ends) + 1


@pytest.mark.parametrize('name', ['improved', 'baseline'])
def test_two_layers_instead_of_one(load, name):
    config = load(name)
    before = config.model.distiller.levels.feature.connector
    config.merge_from_dict(changes(config, dict(connector_layers=2)))
    after = config.model.distiller.levels.feature.connector
    before, after = ([one] if isinstance(one, dict) else one for one in (before, after))
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert new == dict(
            type='ConvStackConnector',
            num_layers=2,
            in_channel=old.in_channel,
            out_channel=old.out_channel,
            norm_cfg=old.norm_cfg,
        )


def test_a_shorter_run_keeps_its_proportions(load):
    config = load('improved')
    set_epochs(config, 10)
    (scheduler,) = config.param_scheduler
    assert (config.train_cfg.max_epochs, scheduler.T_max, scheduler.begin, scheduler.end) == (10, 10, 0, 10)
    assert [(p['begin'], p.get('end')) for p in config.default_hooks.phases.phases] == [(1, 2), (3, None)]
    assert config.default_hooks.phases.phases[1].weights.distill == 0.3


@pytest.mark.parametrize(
    ('epochs', 'begin', 'end', 'period'), [(50, 2, 50, 48), (13, 1, 13, 12), (5, 1, 5, 4), (1, 0, 1, 1)]
)
def test_a_cosine_behind_a_warm_up_ends_where_it_ended(load, epochs, begin, end, period):
    config = load('improved')
    config.param_scheduler[0].update(begin=1, T_max=24)
    set_epochs(config, epochs)
    (scheduler,) = config.param_scheduler
    assert (scheduler.begin, scheduler.end, scheduler.T_max) == (begin, end, period)


@pytest.mark.parametrize(
    ('epochs', 'expected'),
    [(25, [(1, 5), (6, None)]), (50, [(1, 10), (11, None)]), (3, [(1, 1), (2, None)]), (2, [(1, None)])],
)
def test_phases_follow_the_length(load, epochs, expected):
    config = load('improved')
    set_epochs(config, epochs)
    phases = config.default_hooks.phases.phases
    assert [(phase['begin'], phase.get('end')) for phase in phases] == expected
    assert phases[-1].name == 'distill'
    PhaseSchedule(phases)


def test_a_phase_that_a_short_run_loses_is_named(load, monkeypatch):
    said = []
    monkeypatch.setattr(run_length, 'print_log', lambda line, *_, **__: said.append(line))
    set_epochs(load('improved'), 3)
    assert not said
    set_epochs(load('improved'), 2)
    (line,) = said
    assert "--epochs 2: phase 'task' is left out" in line and '--epochs 3 keeps it' in line


def test_a_run_that_validated_seldom_validates_at_its_end(load):
    config = load('teacher_tiles')
    set_epochs(config, 3)
    assert (config.train_cfg.val_interval, config.param_scheduler[0].T_max) == (3, 3)


def test_lengths_that_do_not_exist(load):
    with pytest.raises(InputError, match='--epochs 0: must be a whole number from 1'):
        set_epochs(load('improved'), 0)
    config = load('improved')
    config.train_cfg = dict(type='ResumableIterTrainLoop', max_iters=10)
    with pytest.raises(InputError, match=r'--epochs 3: .*improved\.py trains by iterations'):
        set_epochs(config, 3)


def test_the_best_trial_inherits_the_original_and_brings_a_control(load, tmp_path, repository):
    values = dict(temperature_start=7.0, connector_layers=2, learning_rate=3e-4, warmup=0.1)
    path = write_tuned(tmp_path, repository / 'configs/distill/improved.py', values, 'The best.\n')
    best, original = Config.fromfile(str(path)), load('improved')
    assert best.experiment == 'improved_distill_tuned'
    assert best.default_hooks.temperature == dict(original.default_hooks.temperature, start=7.0)
    assert best.optim_wrapper.optimizer == dict(original.optim_wrapper.optimizer, lr=3e-4)
    assert best.default_hooks.phases.phases[0].end == 2  # a tenth of 25 epochs
    assert best.model.distiller.levels.feature.connector[3].type == 'ConvStackConnector'
    assert best.model.teacher == original.model.teacher
    assert best.teacher_recipe == 'teacher.py'  # among the package's own, from wherever it is named
    control = Config.fromfile(str(tmp_path / best.control))
    assert control.experiment == 'no_distill_tuned'
    assert control.optim_wrapper == best.optim_wrapper and control.model == load('no_distill').model


def test_companions_of_the_users_own_are_found_from_elsewhere(tmp_path, repository):
    (tmp_path / 'own').mkdir()
    base = str(repository / 'configs/distill')
    (tmp_path / 'own/teacher.py').write_text(f"_base_ = '{base}/teacher.py'")
    (tmp_path / 'own/alone.py').write_text(f"_base_ = '{base}/no_distill.py'")
    (tmp_path / 'own/mine.py').write_text(f"_base_ = '{base}/improved.py'\nexperiment = 'mine'\ncontrol = 'alone.py'")
    best = Config.fromfile(str(write_tuned(tmp_path, tmp_path / 'own/mine.py', dict(temperature_start=5.0), 'Best.')))
    assert best.teacher_recipe == str(tmp_path / 'own/teacher.py')
    assert best.control == str(tmp_path / 'own/alone.py')  # its student learns as the original's: the same control
    assert not (tmp_path / 'best_control.py').exists()


def test_a_rate_that_ends_before_or_after_the_run_is_told_of_and_one_that_is_changed_with_it_is_not(repository):
    path = repository / 'configs/distill/improved.py'
    assert off_schedule(load_config(path)) is None
    longer, shorter = load_config(path), load_config(path)
    longer.train_cfg.max_epochs, shorter.train_cfg.max_epochs = 50, 10
    assert 'max_epochs=50' in off_schedule(longer) and 'ends at epoch 25: the learning rate stays' in off_schedule(
        longer
    )
    assert 'does not reach its end. --epochs 10' in off_schedule(shorter)
    config = prepare(path, TrainOptions(epochs=50))
    assert (config.train_cfg.max_epochs, config.param_scheduler[0].T_max, config.param_scheduler[0].end) == (50, 50, 50)
    assert [phase.get('end') for phase in config.default_hooks.phases.phases] == [10, None]
    assert off_schedule(config) is None
