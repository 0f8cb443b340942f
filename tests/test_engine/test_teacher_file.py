"""What a run asks of its teacher's file, and what stays of it in the run."""

import json

import pytest
import torch
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mapsage_mmseg.engine.teachers.store import read_teacher, write_teacher
from mapsage_mmseg.errors import InputError, RunStopped
from mapsage_mmseg.evaluation import diagnosis
from mapsage_mmseg.evaluation.record import read_record
from mapsage_mmseg.models.normalisation import difference, normalisation
from mapsage_mmseg.settings.load import load_config
from mapsage_mmseg.training.session import fit
from mapsage_mmseg.weights_file import file_digest, load_checkpoint_file
from tests import runs, small, tiny

MEAN, STD = tiny.PREPROCESSOR['mean'], tiny.PREPROCESSOR['std']


def republished(path, **meta):
    """The same weights with another card."""
    weights, card = read_teacher(path)
    return write_teacher(path, weights, dict(mIoU=card.mIoU, **meta))


def test_its_sha256_stands_in_the_record_and_in_every_checkpoint(tmp_path):
    cfg = runs.config(tmp_path, epochs=1)
    Runner.from_cfg(cfg).train()
    digest = file_digest(tmp_path / 'teacher.pth')
    assert read_record(tmp_path / 'run/result.json')['teacher']['sha256'] == digest
    found = list((tmp_path / 'run/checkpoints').glob('*.pth'))
    assert found and all(load_checkpoint_file(path)['teacher_sha256'] == digest for path in found)


def test_a_teacher_that_saw_other_images_is_refused(tmp_path):
    path = runs.make_teacher(tmp_path)
    republished(path, normalisation=dict(mean=[0.0, 0.0, 0.0], std=STD, bgr_to_rgb=True))
    with pytest.raises(
        InputError, match=r'saw images under mean=\[0\.0, 0\.0, 0\.0\], this run gives .*mean=\[123\.675'
    ):
        Runner.from_cfg(runs.config(tmp_path, teacher=path, epochs=1)).train()


@pytest.mark.parametrize(
    ('change', 'key'),
    [
        (dict(mean=[1.0, 2.0, 3.0]), 'mean'),
        (dict(std=[1.0, 2.0, 3.0]), 'std'),
        (dict(mean=None, std=None), 'mean'),  # normalises nothing
        (dict(bgr_to_rgb=not tiny.PREPROCESSOR['bgr_to_rgb']), 'bgr_to_rgb'),
    ],
)
def test_a_teachers_config_with_another_normalisation_is_refused(change, key):
    config = tiny.distill()
    config.teacher.data_preprocessor = {**config.teacher.data_preprocessor, **change}
    with pytest.raises(InputError, match=rf"model\.teacher\.data_preprocessor\.{key} differs from the student's"):
        MODELS.build(config).build_teacher()


def test_a_teachers_config_without_a_preprocessor_takes_the_students_images():
    config = tiny.distill()
    config.teacher.pop('data_preprocessor')
    assert MODELS.build(config).build_teacher() is not None


def test_a_stem_that_normalises_by_itself_has_to_know_what_it_undoes():
    pytest.importorskip('efficientnet_lite_pytorch')
    config = tiny.distill()
    config.teacher.backbone.stem = dict(type='EfficientNetLiteStem', pretrained=False)
    assert MODELS.build(config).build_teacher() is not None
    config.teacher.backbone.stem.input_mean = (1.0, 2.0, 3.0)
    with pytest.raises(InputError, match=r'model\.teacher\.backbone\.stem\.input_mean=\[1\.0, 2\.0, 3\.0\] differs'):
        MODELS.build(config).build_teacher()


def test_normalisations_compare_as_people_write_them():
    mine = normalisation(MODELS.build(tiny.PREPROCESSOR))
    assert mine == dict(mean=list(MEAN), std=list(STD), bgr_to_rgb=tiny.PREPROCESSOR['bgr_to_rgb'])
    assert difference(mine, None) is None and difference(mine, json.loads(json.dumps(mine))) is None
    assert difference(mine, dict(mean=list(MEAN))) == 'std'


def test_the_classes_that_mmengine_writes_down_count_too(tmp_path):
    path = runs.make_teacher(tmp_path)
    republished(path, dataset_meta=dict(classes=('water', 'land')))
    assert read_teacher(path)[1].classes == ('water', 'land')


@pytest.mark.parametrize(
    'meta', [None, 7, 'text', [], dict(mIoU='90', classes='ab', data_key=3, normalisation=[1]), dict(dataset_meta=4)]
)
def test_of_a_card_only_what_has_the_right_type_is_believed(tmp_path, meta):
    torch.save(dict(state_dict=dict(weight=torch.zeros(2)), meta=meta), tmp_path / 'odd.pth')
    card = read_teacher(tmp_path / 'odd.pth')[1]
    assert (card.mIoU, card.data, card.classes, card.normalisation) == (None, None, (), None)


@pytest.mark.parametrize(
    'content', [7, [], {}, dict(state_dict=7), dict(state_dict={}), dict(a=1), {1: torch.zeros(1)}]
)
def test_what_holds_no_weights_is_refused_by_name(tmp_path, content):
    torch.save(content, tmp_path / 'odd.pth')
    with pytest.raises(InputError, match=r'odd\.pth'):
        read_teacher(tmp_path / 'odd.pth')


def test_a_trained_teacher_is_published_with_its_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.write_configs(tmp_path, epochs=1)
    config = load_config('teacher.py')
    config.work_dir, config.publish_teacher = 'teacher', True
    fit(config)
    (path,) = tmp_path.glob('experiments/teachers/*/teacher.pth')
    card = read_teacher(path)[1]
    assert card.normalisation == normalisation(MODELS.build(tiny.PREPROCESSOR))
    assert card.mIoU > 0 and len(card.classes) == 7


def test_a_teacher_below_its_student_in_phase_two_is_a_finding_that_strict_makes_fatal(tmp_path, monkeypatch):
    only = {'teacher_no_better': diagnosis.CHECKS['teacher_no_better']}  # so few steps leave the student at chance, too
    monkeypatch.setattr(diagnosis, 'CHECKS', only)
    path = runs.make_teacher(tmp_path)
    weights, _ = read_teacher(path)
    weights['decode_head.conv_seg.bias'][1] = 1e4  # it sees one class everywhere, a rare one
    write_teacher(path, weights, dict(mIoU=90.0))
    weights = dict(task=1.0, distill=0.01)
    phases = [dict(begin=1, end=1, weights=dict(task=1.0)), dict(begin=2, weights=weights)]
    cfg = runs.config(tmp_path, epochs=3, phases=phases, teacher=path, diagnosis=dict(strict=True))
    with pytest.raises(RunStopped, match=r'--strict.*the teacher scores mIoU'):
        Runner.from_cfg(cfg).train()
    record = read_record(tmp_path / 'run/result.json')
    assert [(finding['check'], finding['epoch']) for finding in record['findings']] == [('teacher_no_better', 2)]
