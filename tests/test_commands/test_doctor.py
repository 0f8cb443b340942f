"""The dry run, for real, on the tiny pair."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from mapsage_mmseg.commands import cli, doctor, test, train
from mapsage_mmseg.datasets.synthetic.dataset import SyntheticLandCover
from mapsage_mmseg.datasets.synthetic.drawing import draw_scene
from mapsage_mmseg.engine.teachers.store import read_teacher
from mapsage_mmseg.evaluation.knowledge import TeacherKnowledge
from mapsage_mmseg.weights_file import load_whole
from tests import runs


@pytest.fixture
def examine(tmp_path, capsys, monkeypatch):
    """Runs the tool on a config that ``change`` may break; returns its status and what it printed."""

    def run(change=None, *arguments, score=90.0):
        monkeypatch.delenv('COLUMNS', raising=False)  # into a pipe, the table is whole
        cfg = runs.config(tmp_path, teacher=runs.make_teacher(tmp_path, score=score))
        if change:
            change(cfg)
        path = tmp_path / 'config.py'
        cfg.dump(str(path))
        status = cli.run(doctor.main, [str(path), '--iterations', '8', '--images', '2', *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.mark.parametrize('balance', [None, 'shares', 'uncertainty'])
def test_it_says_what_every_term_weighs_and_what_the_run_will_cost(balance, examine, tmp_path):
    status, out, _ = examine(lambda cfg: cfg.model.update(balance=balance))
    assert status == 0
    rows = {row[0]: row for row in (re.findall(r'[^│\s][^│]*?(?=\s*│)', line) for line in out.splitlines()) if row}
    assert {'task', 'distill', 'feature', 'attention'} <= rows.keys()
    assert [rows[term][2] for term in ('task', 'distill', 'feature', 'attention')] == ['0.6', '0.3', '0.1', '0.05']
    shares = [float(rows[term][3].rstrip('%')) for term in ('task', 'distill', 'feature', 'attention')]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert all(float(rows[term][4]) > 0 for term in ('task', 'distill', 'feature', 'attention'))
    norms = {term: float(rows[term][4]) for term in rows if term in ('task', 'distill', 'feature', 'attention')}
    if balance is None:
        wanted = 0.1 * norms['feature'] / (0.6 * norms['task'])
        assert float(rows['feature'][5].rstrip('%')) == pytest.approx(100 * wanted, rel=0.02, abs=0.6)
    assert all(-1 <= float(rows[term][6]) <= 1 for term in ('distill', 'feature', 'attention'))
    assert (rows['task'][5], rows['task'][7]) == ('-', '0.6')
    assert 'recorded 90.00' in out and 'chance level of the task loss 1.9459' in out
    assert 'Whole run: 24 iterations, about' in out  # 4 epochs of 6
    assert not list(tmp_path.glob('**/result.json'))


def test_it_says_how_well_the_teacher_knows_its_training_images(examine, tmp_path):
    status, out, _ = examine()
    assert status == 0
    said = re.search(
        r"The teacher's cross-entropy is (\d\.\d{4}) on training images and (\d\.\d{4}) on validation images", out
    )
    # A teacher with random weights knows neither; by hand, over all of them.
    cfg = runs.config(tmp_path, teacher=tmp_path / 'teacher.pth')
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model)
    load_whole(model.build_teacher(), read_teacher(cfg.model.teacher_ckpt)[0], '')
    for split, found in zip(('train', 'val'), said.groups(), strict=True):
        dataset = DATASETS.build({**cfg[f'{split}_dataloader'].dataset, 'pipeline': [dict(type='PackSegInputs')]})
        total = count = 0
        for index in range(len(dataset)):
            data = model.data_preprocessor({key: [value] for key, value in dataset[index].items()}, False)
            logits = model.teacher(data['inputs'], mode='tensor')
            label = data['data_samples'][0].gt_sem_seg.data.long()
            logits = torch.nn.functional.interpolate(logits, label.shape[1:], mode='bilinear')
            total += torch.nn.functional.cross_entropy(logits, label, ignore_index=255, reduction='sum').item()
            count += (label != 255).sum().item()
        assert float(found) == pytest.approx(total / count, abs=2e-4)
    assert 'not only their labels' in out


@pytest.mark.parametrize(('training', 'by_heart'), [(0.1, True), (0.24, True), (0.26, False), (0.9, False)])
def test_by_heart_is_less_than_half_the_loss_on_other_images(training, by_heart):
    knowledge = TeacherKnowledge(training, 0.5, 16)
    assert knowledge.by_heart is by_heart and ('by heart' in knowledge.line()) is by_heart


def test_an_epoch_that_a_small_folder_fills_counts(examine):
    status, out, _ = examine(lambda cfg: cfg.train_dataloader.sampler.update(at_least=48))
    assert status == 0 and 'Whole run: 96 iterations, about' in out  # 4 epochs of 24


def test_a_level_without_a_gradient_cannot_work(examine):
    def change(cfg):
        cfg.model.distiller.levels.cut = dict(
            student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=dict(type='CutOffLoss', after=1)
        )
        cfg.default_hooks.phases.phases = [dict(name='distill', begin=1, weights=dict(task=1.0, cut=1.0))]

    status, out, err = examine(change)
    assert status == 2
    assert 'dead' in out
    assert 'cannot work: cut: no gradient' in err and 'Traceback' not in err


def test_a_doubtful_teacher_is_refused_as_a_run_would(examine):
    status, _, err = examine(score=None)
    assert (status, 'no recorded validation mIoU' in err) == (2, True)
    status, out, _ = examine(None, '--cfg-options', 'model.teacher_check=warn', score=None)
    assert (status, 'recorded -' in out) == (0, True)


def test_a_config_without_a_teacher_has_nothing_to_examine(repository, capsys):
    assert cli.run(doctor.main, [str(repository / 'configs/distill/no_distill.py')]) == 2
    assert 'has no teacher' in capsys.readouterr().err


def test_a_missing_teacher_names_the_command(repository, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(doctor.main, [str(repository / 'configs/distill/improved.py')]) == 2
    assert 'python tools/train.py' in capsys.readouterr().err


def test_bounds(repository, capsys):
    assert cli.run(doctor.main, [str(repository / 'configs/distill/improved.py'), '--iterations', '1']) == 2
    assert '--iterations 1 must be' in capsys.readouterr().err


@pytest.fixture
def tiles(configs):
    """Eight drawn scenes as a folder of tiles, and a teacher's recipe that is small over these too."""
    for split, count in (('train', 6), ('val', 2)):
        for index in range(count):
            image, label = draw_scene(0, split, index, 64)
            for kind, pixels in (('img_dir', image[..., ::-1]), ('ann_dir', label)):
                path = configs / 'tiles' / kind / split / f's{index}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    classes = ', '.join(SyntheticLandCover.METAINFO['classes'])
    (configs / 'tiles/dataset.yaml').write_text(f'name: drawn\nclasses: [{classes}]\n')
    Path('teacher.py').rename('own_teacher.py')
    with open('improved.py', 'a') as file:
        file.write("teacher_recipe = 'own_teacher.py'\n")
    return configs / 'tiles'


def test_over_tiles_it_finds_the_teacher_of_these_and_names_the_command_that_trains_it(configs, tiles, capfd):
    examined = ['improved.py', '--iterations', '2', '--images', '2', '--data-root', str(tiles)]
    assert cli.run(doctor.main, examined) == 2
    error = capfd.readouterr().err
    recipe, *options = error.split('python tools/train.py ')[1].split()
    assert 'no teacher has been trained for this data yet' in error and options == ['--data-root', str(tiles)]
    assert cli.run(test.main, ['improved.py', '--teacher', '--data-root', str(tiles)]) == 2
    assert capfd.readouterr().err == error
    assert cli.run(train.main, [recipe, *options]) == 0
    assert cli.run(doctor.main, examined) == 0
    assert 'the new student' in capfd.readouterr().out
    assert cli.run(test.main, ['improved.py', '--teacher', '--data-root', str(tiles), '--pictures', '0']) == 0
