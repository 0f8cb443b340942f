"""Training on MMSegmentation's own data sets, as its converters leave them."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mapsage_mmseg.commands import cli, test, train
from mapsage_mmseg.engine.runs.key import run_key
from mapsage_mmseg.engine.runs.known import best_alone
from mapsage_mmseg.engine.teachers.doubts import doubts
from mapsage_mmseg.engine.teachers.keys import content_key, data_key
from mapsage_mmseg.engine.teachers.recipes import load_recipe
from mapsage_mmseg.engine.teachers.store import TeacherCard, read_teacher
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.settings.data_root import apply_data_root
from mapsage_mmseg.settings.load import load_config
from mapsage_mmseg.settings.tuning_split import use_tuning_split
from mapsage_mmseg.training.arms import arms_of
from mapsage_mmseg.training.options import TrainOptions
from mapsage_mmseg.training.session import prepare
from mapsage_mmseg.training.teacher_training import teacher_config
from tests.downloads import ARGUMENTS, made_by_converter
from tests.stock_sets import KINDS, classes_of, only, write_small


@pytest.fixture(scope='module')
def trees(tmp_path_factory):
    """The root of each data set, made once."""
    return {name: made_by_converter(name, tmp_path_factory.mktemp(name)) for name in ARGUMENTS}


@pytest.mark.parametrize('name', KINDS)
def test_one_command_trains_the_teacher_and_distils_it(name, trees, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_small(name, repository)
    assert cli.run(train.main, ['improved.py', '--data-root', str(trees[name])]) == 0
    record = json.loads(only(f'{name}/improved_distill_*/result.json').read_text())
    assert (record['status'], record['dataset']['name']) == ('finished', KINDS[name])
    assert record['dataset']['classes'] == classes_of(name)
    assert record['dataset']['chance_loss'] == pytest.approx(math.log(len(classes_of(name))))
    for entry in record['epochs']:
        assert entry['terms']['distill'] is not None
        assert np.isfinite(
            [entry['val'][key] for key in ('mIoU', 'task_loss', 'teacher_agreement', 'teacher_mIoU')]
        ).all()
    teacher = only(f'{name}/teachers/*/teacher.pth')
    assert Path(record['teacher']['path']).resolve() == teacher.resolve()
    _, card = read_teacher(teacher)
    assert card.classes == tuple(classes_of(name))


def test_a_teacher_is_found_where_its_data_moved_and_not_where_they_changed(
    trees, repository, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    write_small('loveda', repository)
    assert cli.run(train.main, ['no_distill.py', '--data-root', str(trees['loveda'])]) == 0
    run = only('loveda/no_distill_*')
    assert cli.run(test.main, [str(run), '--pictures', '1']) == 0
    assert cli.run(train.main, ['teacher.py', '--data-root', str(trees['loveda'])]) == 0
    moved = Path(shutil.copytree(trees['loveda'], tmp_path / 'elsewhere' / 'loveda'))
    config = load_config('improved.py')
    recipe = load_recipe(config)
    for each in (config, recipe):
        apply_data_root(each, str(moved))
    teacher = only('loveda/teachers/*/teacher.pth')
    assert content_key(recipe) == teacher.parent.name
    _, card = read_teacher(teacher)
    card = TeacherCard(**{**vars(card), 'mIoU': 100.0})
    assert doubts(card, config) is None
    record = json.loads((run / 'result.json').read_text())
    assert record['dataset']['key'] == data_key(config)
    assert best_alone(config.experiments, data_key(config))['path'] == str(run / 'result.json')
    # A label to train on, then one to validate on, of another size.
    for split, scored in (('train', None), ('val', 'scored on other data')):
        label = next((moved / 'ann_dir' / split).iterdir())
        label.write_bytes(label.read_bytes() + b'\0')
        assert content_key(recipe) != teacher.parent.name
        told = doubts(card, config)
        assert told is None if scored is None else scored in told


@pytest.mark.parametrize('name', KINDS)
def test_repeat_finds_the_control_and_a_config_of_one_line_its_data_set(name, trees, repository, tmp_path):
    config = repository / f'configs/distill/{name}/improved_{name}.py'
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = {str(config)!r}\nexperiment = 'mine'\ndefault_hooks = dict(temperature=dict(start=8.0))")
    control, shipped, own = arms_of([str(config), str(mine)], str(trees[name]), ())
    assert (control.experiment, shipped.experiment, own.experiment) == ('no_distill', 'improved_distill', 'mine')
    assert Path(control.path) == repository / f'configs/distill/{name}/no_distill_{name}.py'
    assert {arm.root for arm in (control, shipped, own)} == {f'experiments/{name}'}
    assert own.teacher == shipped.teacher and own.key != shipped.key
    assert Path(load_recipe(own.config).filename) == repository / f'configs/distill/{name}/teacher_{name}.py'


def test_a_run_is_known_by_its_files(trees, repository, tmp_path):
    def key(root):
        config = load_config(repository / 'configs/distill/isaid/no_distill_isaid.py')
        apply_data_root(config, str(root))
        return run_key(config)

    moved = Path(shutil.copytree(trees['isaid'], tmp_path / 'isaid'))
    assert key(moved) == key(trees['isaid']) == key(f'{moved}/')
    shutil.copy(moved / 'img_dir/val/P0001_0_64_0_64.png', moved / 'img_dir/val/more.png')
    shutil.copy(
        moved / 'ann_dir/val/P0001_0_64_0_64_instance_color_RGB.png', moved / 'ann_dir/val/more_instance_color_RGB.png'
    )
    assert key(moved) != key(trees['isaid'])


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('loveda', {0, 1, 2, 3, 4, 5, 6, 255}),
        ('potsdam', {0, 1, 2, 3, 4, 5, 255}),
        ('vaihingen', {0, 1, 2, 3, 4, 5, 255}),
        ('isaid', {0, 1, 15, 255}),
    ],
)
def test_labels_become_class_numbers(name, found, trees, repository):
    """Zero is no class but in iSAID, whose filled margins are 255."""
    config = load_config(repository / f'configs/distill/{name}/no_distill_{name}.py')
    apply_data_root(config, str(trees[name]))
    data = DATASETS.build(config.val_dataloader.dataset)
    values = [np.unique(sample['data_samples'].gt_sem_seg.data) for sample in data]
    assert set(np.concatenate(values).tolist()) == found


def refused(capfd, config, *arguments):
    assert cli.run(train.main, [str(config), *map(str, arguments)]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize('name', KINDS)
def test_missing_data_are_named_with_how_to_get_them(name, repository, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    config = repository / f'configs/distill/{name}/improved_{name}.py'
    told = refused(capfd, config)
    assert told.startswith(f'error: {load_config(config).train_data.data_root} is missing')
    assert f'{name}.py' in told if name == 'isaid' else f'mim run mmsegmentation {name} DOWNLOAD -o data/' in told
    assert 'https://mmsegmentation.readthedocs.io' in told and not Path('experiments').exists()
    (tmp_path / 'empty/img_dir/train').mkdir(parents=True)
    assert 'empty/ann_dir/train is missing' in refused(capfd, config, '--data-root', tmp_path / 'empty')


def test_damaged_data_are_named(trees, repository, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    config, root = repository / 'configs/distill/loveda/no_distill_loveda.py', tmp_path / 'loveda'
    shutil.copytree(trees['loveda'], root)
    (root / 'ann_dir/train/2.png').unlink()
    assert f'{root}/ann_dir/train/2.png: No such file' in refused(capfd, config, '--data-root', root)
    shutil.rmtree(root / 'img_dir/train')
    (root / 'img_dir/train').mkdir()
    assert f'{root} holds no image with a label' in refused(capfd, config, '--data-root', root)
    (root / 'dataset.yaml').write_text('classes: [a]')
    told = refused(capfd, config, '--data-root', root)
    assert 'has a dataset.yaml' in told and 'this one reads LoveDADataset' in told


def test_masks_that_lost_their_classes_are_refused(repository, tmp_path, capfd):
    """Pillow 10 and later keep one bit of a palette image without a palette, as the converter writes it."""
    root = made_by_converter('isaid', tmp_path, mended=False)
    told = refused(capfd, repository / 'configs/distill/isaid/improved_isaid.py', '--data-root', root)
    assert 'has one bit a pixel, so its classes are lost' in told and 'sed "s/, mode=\'P\'//"' in told


@pytest.mark.parametrize(('name', 'scene'), [('loveda', r'^(\d)$'), ('potsdam', None), ('isaid', r'^P0000_(\d+)_')])
def test_tuning_keeps_scenes_whole_and_the_teacher_from_them(name, scene, trees, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = Path(shutil.copytree(trees[name], tmp_path / name))
    suffix = '_instance_color_RGB' if name == 'isaid' else ''
    if name == 'potsdam':  # the converter's tiny download leaves one scene to train on
        for kind in ('img_dir', 'ann_dir'):
            for file in sorted((root / kind / 'train').iterdir()):
                shutil.copy(file, file.with_name(file.name.replace('2_10_', '3_11_')))
    path = repository / f'configs/distill/{name}/improved_{name}.py'
    options = TrainOptions(data_root=str(root))
    config, whole = prepare(path, options), prepare(path, options)
    use_tuning_split(config, scene, 'study')
    recipe = teacher_config(config, str(root))
    names = {file.stem.removesuffix(suffix) for file in (root / 'ann_dir/train').iterdir()}
    for found in (config, recipe):
        fit, tune = (
            {Path(entry['img_path']).stem for entry in DATASETS.build({**data, 'pipeline': []}).load_data_list()}
            for data in (found.train_dataloader.dataset, found.val_dataloader.dataset)
        )
        assert fit | tune == names and not fit & tune and fit and tune
        assert found.val_dataloader.dataset == found.test_dataloader.dataset
    if name == 'potsdam':
        assert {name[:4] for name in tune} == {'3_11'} and {name[:4] for name in fit} == {'2_10'}
    keys = [content_key(recipe), run_key(config), data_key(config)]
    assert not set(keys) & {
        content_key(teacher_config(whole, str(root))),
        run_key(whole),
        data_key(whole),
    }
    again = prepare(path, options)
    use_tuning_split(again, scene, 'another')
    assert keys == [content_key(teacher_config(again, str(root))), run_key(again), data_key(again)]
    (root / 'img_dir/train/new.png').write_bytes(next((root / 'img_dir/train').iterdir()).read_bytes())
    (root / f'ann_dir/train/new{suffix}.png').write_bytes(next((root / 'ann_dir/train').iterdir()).read_bytes())
    with pytest.raises(InputError, match=r'study/\w+.txt lists other images|finds no scene in the name new'):
        use_tuning_split(prepare(path, options), scene, 'study')
