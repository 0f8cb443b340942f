"""A config that tunes: fit on one part, validated on the other, and a teacher that has not seen that one either."""

import copy

import pytest

from mapsage_mmseg.engine.runs.key import run_key
from mapsage_mmseg.engine.teachers.keys import content_key, data_key
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.settings.tuning_split import use_tuning_split
from mapsage_mmseg.training import teacher_training
from mapsage_mmseg.training.options import TrainOptions
from mapsage_mmseg.training.session import prepare


@pytest.fixture
def path(repository):
    return repository / 'configs/distill/improved.py'


@pytest.fixture
def config(path):
    return prepare(path, TrainOptions())


def test_training_scenes_are_validated_on_with_the_test_pipeline(config):
    before = copy.deepcopy(config)
    use_tuning_split(config)
    train_data, val_data = config.train_dataloader.dataset, config.val_dataloader.dataset
    assert (train_data.split, train_data.part, val_data.split, val_data.part) == ('train', 'fit', 'train', 'tune')
    assert train_data.pipeline == before.train_dataloader.dataset.pipeline
    assert val_data.pipeline == before.val_dataloader.dataset.pipeline != train_data.pipeline
    assert val_data.length == train_data.length == 96
    assert config.test_dataloader.dataset == val_data
    assert config.val_dataloader.batch_size == before.val_dataloader.batch_size


def test_data_run_and_teacher_get_other_keys(config):
    keys = [[data_key(config), run_key(config), content_key(teacher_training.teacher_config(config, None))]]
    use_tuning_split(config)
    recipe = teacher_training.teacher_config(config, None)
    keys.append([data_key(config), run_key(config), content_key(recipe)])
    assert not set(keys[0]) & set(keys[1])
    assert (recipe.train_dataloader.dataset.part, recipe.val_dataloader.dataset.part) == ('fit', 'tune')
    assert recipe.train_dataloader.dataset.length == 480


@pytest.mark.dubai
def test_a_folder_of_tiles_is_divided_by_its_scenes_for_the_teacher_too(path, dubai):
    options = TrainOptions(data_root=str(dubai), skip_data_check=True)
    config, other = prepare(path, options), prepare(path, options)
    use_tuning_split(config, '^(t[0-9]+)_')
    recipe = teacher_training.teacher_config(config, str(dubai))
    for found in (config, recipe):
        for loader, part in (('train_dataloader', 'fit'), ('val_dataloader', 'tune')):
            data = found[loader].dataset
            assert (data.type, data.split, data.part, data.scene) == ('FolderLandCover', 'train', part, '^(t[0-9]+)_')
    with pytest.raises(InputError, match=r"img_dir/train: scene='\^\(x\)' finds no scene"):
        use_tuning_split(prepare(path, options), '^(x)')
    use_tuning_split(other, '^(t[0-9])')
    assert data_key(other) != data_key(config)


def test_data_that_cannot_be_divided_are_refused(config):
    with pytest.raises(InputError, match=r'--scene \^\(t\)_: the built-in scenes need none'):
        use_tuning_split(config, '^(t)_')
    config.train_dataloader.dataset.length = 4
    with pytest.raises(InputError, match='length=4; expected an integer of 5 or more'):
        use_tuning_split(config)
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=config.train_dataloader.dataset)
    with pytest.raises(InputError, match="type='RepeatDataset' cannot be divided"):
        use_tuning_split(config)
