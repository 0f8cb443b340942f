"""Images without masks, from the data tool to a training that learns from them."""

import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import yaml
from PIL import Image

from mapsage_mmseg.commands import cli, prepare_data, train
from mapsage_mmseg.datasets.tiles.dataset import FolderLandCover, check_folder
from mapsage_mmseg.datasets.tiles.dataset_yaml import read_dataset_yaml
from mapsage_mmseg.evaluation.record import read_record
from mapsage_mmseg.settings import data_root
from mapsage_mmseg.training.arms import arms_of
from tests import scenes, small
from tests.processes import run_processes
from tests.test_commands.test_two_processes import train_here


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two labelled scenes and, elsewhere, three that are not."""
    monkeypatch.chdir(tmp_path)
    scenes.write_scenes(tmp_path / 'scenes', dict(north=(64, 96), west=(64, 64)))
    for name, size in (('east', (64, 64)), ('parts/south', (70, 64)), ('tiny', (20, 40))):
        scenes.write(tmp_path / f'more/{name}.png', scenes.photograph(*size))
    return tmp_path


def run(*arguments):
    argv = ['scenes', '-o', 'tiles', '--size', '32', '--val', 'west', '--unlabelled', 'more', *arguments]
    return cli.run(prepare_data.main, argv)


def refused(capfd, message, *arguments):
    assert run(*arguments) == 2
    error = capfd.readouterr().err
    assert message in error and error.count('error: ') == 1 and 'Traceback' not in error, error
    assert not Path('tiles/dataset.yaml').exists()


def names(folder):
    return sorted(path.stem for path in Path(folder).iterdir())


def test_their_tiles_lie_apart_and_have_no_label(root, capfd):
    assert run() == 0
    assert names('tiles/img_dir') == ['train', 'unlabelled', 'val'] and names('tiles/ann_dir') == ['train', 'val']
    found = names('tiles/img_dir/unlabelled')
    assert [name for name in found if name.startswith('east')] == [
        f'east_r00{row}_c00{column}' for row in ('00', '32') for column in ('00', '32')
    ]
    assert [name for name in found if name.startswith('parts_south')][-1] == 'parts_south_r0038_c0032'
    tile = np.asarray(Image.open('tiles/img_dir/unlabelled/parts_south_r0038_c0032.png'))
    assert (tile == scenes.photograph(70, 64)[38:, 32:]).all()
    assert len(found) == 4 + 6 + 2
    spec = read_dataset_yaml('tiles')
    check_folder('tiles', spec)
    assert len(FolderLandCover('tiles', unlabelled=1, pipeline=[])) == 6 + 12
    out = capfd.readouterr().out
    assert '2 images of 2 scenes and 3 without a label, 22 windows; validated on west' in out
    assert 'configs/distill/recommended_unlabelled.py --data-root tiles' in out


def test_the_labelled_tiles_are_those_of_a_run_without_them(root):
    assert run() == 0
    argv = ['scenes', '-o', 'alone', '--size', '32', '--val', 'west']
    assert cli.run(prepare_data.main, argv) == 0
    for part in ('img_dir/train', 'img_dir/val', 'ann_dir/train', 'ann_dir/val'):
        assert names(f'tiles/{part}') == names(f'alone/{part}')
    one, other = (yaml.safe_load(Path(f'{name}/dataset.yaml').read_text()) for name in ('tiles', 'alone'))
    assert one | dict(name='') == other | dict(name='')


def test_statistics_count_them_in_a_column_of_their_own(root):
    assert run() == 0
    text = Path('tiles/statistics.md').read_text()
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.split('\n') if '|' in line]
    lines = {name: cells for name, *cells in rows}
    assert lines['scenes'] == ['1', '1', '3'] and lines['tiles'] == ['6', '4', '12']
    assert lines['water'][2] == '0.00%' and lines['parts_south'][0] == 'unlabelled'


def test_without_a_picture_a_tile_is_dropped(root):
    hidden = np.full((64, 64, 4), 255, np.uint8)
    hidden[:, :40, 3] = 0
    scenes.write(root / 'more/veiled.png', hidden)
    assert run() == 0
    assert [name for name in names('tiles/img_dir/unlabelled') if 'veiled' in name] == [
        'veiled_r0000_c0032', 'veiled_r0032_c0032'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('change', 'arguments', 'message'),
    [
        (lambda root: (root / 'more/tiny.png').rename(root / 'more/west.png'), [], 'are both called west; rename one'),
        (lambda root: None, ['--unlabelled', 'nowhere'], '--unlabelled nowhere: no such folder'),
        (lambda root: (root / 'bare').mkdir(), ['--unlabelled', 'bare'], '--unlabelled bare holds no image'),
        (lambda root: (root / 'more/tiny.png').write_bytes(b'x'), [], 'more/tiny.png'),
    ],
)
def test_mistakes_are_named(root, capfd, change, arguments, message):
    change(root)
    refused(capfd, message, *arguments)


def test_an_image_of_a_scene_that_is_validated_on_is_refused(root, capfd):
    for place in ('scenes', 'more'):
        for file in Path(place).rglob('*.png'):
            file.unlink()
    sizes = dict(s1_a=(64, 64), s2_a=(64, 64))
    scenes.write_scenes(root / 'scenes', sizes)
    scenes.write(root / 'more/s1_b.png', scenes.photograph(64, 64))
    arguments = ['--scene', '^(s[0-9])_', '--val']
    refused(capfd, 'more/s1_b.png is of the scene s1, which is validated on', *arguments, 's1')
    assert run(*arguments, 's2') == 0  # of a scene that is trained on they may be
    assert len(names('tiles/img_dir/unlabelled')) == 4


def test_a_student_learns_from_them_and_its_teacher_and_control_do_not(root, capfd):
    assert run() == 0
    small.write_configs(root, epochs=2)
    Path('teacher.py').rename('tiny_teacher.py')  # by another name it stays, over tiles too
    for name, more in dict(left_out='', unlabelled="model = dict(distill_where='everywhere')\n").items():
        text = f"_base_ = 'improved.py'\nexperiment = {name!r}\nteacher_recipe = 'tiny_teacher.py'\n{more}"
        Path(f'{name}.py').write_text(text)
    options = ['--data-root', 'tiles', '--seed', '1']
    assert cli.run(train.main, ['unlabelled.py', *options]) == 0
    folder = next(Path('experiments').glob('unlabelled_*'))
    record = read_record(folder / 'result.json')
    assert [entry['iter'] for entry in record['epochs']] == [6, 12]  # 6 of 12 for 6 with a label, 2 a batch
    assert all(entry['terms']['task'] > 0 for entry in record['epochs']) and record['epochs'][1]['terms']['distill'] > 0
    teacher = next(Path('experiments').glob('teacher_*'))
    assert read_record(teacher / 'result.json')['epochs'][0]['iter'] == 3
    capfd.readouterr()
    more = ['--cfg-options', 'train_dataloader.dataset.unlabelled=2']
    assert cli.run(train.main, ['left_out.py', *options, *more]) == 0
    assert 'train_dataloader.dataset.unlabelled=2 does nothing' in ''.join(capfd.readouterr())
    assert read_record(next(Path('experiments').glob('left_out_*')) / 'result.json')['epochs'][0]['iter'] == 3
    assert cli.run(train.main, ['unlabelled.py', *options, '--resume', '--work-dir', str(folder), *more]) == 2
    assert 'the run began with images in an epoch 12, and now has 18' in capfd.readouterr().err


@pytest.mark.parametrize(('given', 'found'), [([], 1.0), (['=3'], 3.0), (['=1'], 1.0), (['=0.5'], 0.5), (['=0'], None)])
def test_of_the_arms_one_has_them_whatever_is_asked_for(root, given, found):
    assert run() == 0
    small.write_configs(root)
    for name in ('left_out', 'unlabelled'):
        more = "model = dict(distill_where='everywhere')\n" * (name == 'unlabelled')
        Path(f'{name}.py').write_text(f"_base_ = 'improved.py'\nexperiment = {name!r}\n{more}")
    options = [f'train_dataloader.dataset.unlabelled{value}' for value in given]
    arms = arms_of(['unlabelled.py', 'left_out.py'], 'tiles', options)
    assert [repr(arm.config.train_dataloader.dataset.get('unlabelled')) for arm in arms] == [
        'None',
        repr(found),
        'None',
    ]


def test_a_distillation_everywhere_says_that_there_are_none(root, monkeypatch):
    assert cli.run(prepare_data.main, ['scenes', '-o', 'tiles', '--size', '32', '--val', 'west']) == 0
    small.write_configs(root)
    Path('everywhere.py').write_text("_base_ = 'improved.py'\nmodel = dict(distill_where='everywhere')\n")
    said = []
    monkeypatch.setattr(data_root, 'print_log', lambda line, *_, **__: said.append(line))
    (_, arm) = arms_of(['everywhere.py'], 'tiles', [])
    assert 'unlabelled' not in arm.config.train_dataloader.dataset
    assert any('tiles/img_dir/unlabelled does not exist' in line for line in said)


@pytest.mark.parametrize(('suffix', 'given'), [('_mask', []), ('_truth', ['--mask-suffix', '_truth'])])
def test_a_mask_among_them_is_no_image(root, capfd, suffix, given):
    for file in Path('scenes').rglob('*_mask.png'):
        file.rename(file.with_stem(file.stem.replace('_mask', suffix)))
    scenes.write(root / f'more/east{suffix}.png', scenes.blocks(64, 64))
    assert run(*given) == 0
    assert not [name for name in names('tiles/img_dir/unlabelled') if suffix in name]
    assert f'Masks among the images without labels, left out: more/east{suffix}.png.' in capfd.readouterr().out


def test_names_of_images_may_have_to_end_in_something(root, capfd):
    for file in Path('scenes').rglob('*.png'):
        if not file.stem.endswith('_mask'):
            file.rename(file.with_stem(f'{file.stem}_RGB'))
    refused(capfd, '--unlabelled more holds no image whose name ends in _RGB', '--image-suffix', '_RGB')
    scenes.write(root / 'more/far_RGB.png', scenes.photograph(32, 32))
    assert run('--image-suffix', '_RGB') == 0
    assert names('tiles/img_dir/unlabelled') == ['far_r0000_c0000']
    assert 'Images whose name does not end in _RGB, left out: more/east.png and 2 more.' in capfd.readouterr().out


def test_two_processes_may_have_labels_each_for_itself(root):
    """Half of the tiles of an epoch have none: in some steps one process has labels and the other has not."""
    assert run() == 0
    small.write_configs(root, epochs=1)
    Path('teacher.py').rename('tiny_teacher.py')
    every = "dict(phases=[dict(name='distill', begin=1, by='epoch', weights=dict(task=1.0, distill=1.0))])"
    Path('both.py').write_text(
        "_base_ = 'improved.py'\nexperiment = 'both'\nteacher_recipe = 'tiny_teacher.py'\n"
        f"model = dict(distill_where='everywhere')\ndefault_hooks = dict(phases={every})\n"
    )
    run_processes(train_here, root, ['both.py', '--data-root', 'tiles', '--seed', '1'], 'steps')
    (folder,) = Path('experiments').glob('both_*')
    (entry,) = read_record(folder / 'result.json')['epochs']
    steps = [json.loads(Path(f'steps{rank}.json').read_text())[-entry['iter'] :] for rank in range(2)]
    tasks = [(one['task'], other['task']) for one, other in zip(*steps, strict=True)]
    assert any((one == 0) != (other == 0) for one, other in tasks)
    assert entry['terms']['task'] == pytest.approx(fmean(task for step in tasks for task in step if task), rel=1e-6)
    assert all(step['distill'] > 0 for process in steps for step in process)
