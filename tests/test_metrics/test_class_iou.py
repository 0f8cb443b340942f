"""ClassIoU: a case worked out by hand, and MMSegmentation's own metric as the reference."""

import math

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.metrics import ClassIoU

CLASSES = ('building', 'land', 'road', 'water')
LABEL = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [255, 255, 2, 2]])
PREDICTION = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 2, 1]])


def _metric(cls: type = ClassIoU, classes: tuple = CLASSES, **kwargs):
    metric = cls(**kwargs)
    metric.dataset_meta = {'classes': classes}
    return metric


def _sample(label: torch.Tensor, **predictions: torch.Tensor) -> dict:
    fields = {'gt_sem_seg': label, **predictions}
    return {name: {'data': data[None]} for name, data in fields.items()}


def test_by_hand() -> None:
    metric = _metric()
    metric.process(None, [_sample(LABEL, pred_sem_seg=PREDICTION)])
    scores = metric.evaluate(1)
    assert math.isnan(scores.pop('IoU.water'))  # in neither: no part of the mean
    assert scores == {
        'mIoU': 69.05,  # (6/7 + 5/7 + 1/2) / 3
        'aAcc': 85.71,  # 12/14
        'mAcc': 77.78,  # (1 + 5/6 + 1/2) / 3
        'IoU.building': 85.71,
        'IoU.land': 71.43,
        'IoU.road': 50.0,
    }


@pytest.mark.parametrize('seed', range(5))
def test_equals_mmsegmentations_metric(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    classes = tuple('abcdefg')
    ours, theirs = _metric(classes=classes), _metric(IoUMetric, classes=classes)
    for _ in range(3):
        label = torch.randint(0, 6, (32, 32), generator=generator)  # the last class is never labelled
        label[torch.rand(32, 32, generator=generator) < 0.1] = 255
        prediction = torch.where(torch.rand(32, 32, generator=generator) < 0.7, label, seed % 7).clamp(max=6)
        sample = _sample(label, pred_sem_seg=prediction)
        ours.process(None, [sample])
        theirs.process(None, [sample])
    per_class = [sum(areas) for areas in zip(*theirs.results, strict=True)]
    scores, reference = ours.evaluate(3), theirs.evaluate(3)
    for name in ('mIoU', 'aAcc', 'mAcc'):
        assert scores[name] == pytest.approx(reference[name], abs=1e-9), name
    expected = (100 * per_class[0] / per_class[1]).numpy().round(2)
    np.testing.assert_allclose([scores[f'IoU.{name}'] for name in classes], expected, atol=0.011)


def test_a_perfect_prediction_scores_100() -> None:
    metric = _metric()
    metric.process(None, [_sample(LABEL, pred_sem_seg=LABEL.clamp(max=3))])
    scores = metric.evaluate(1)
    assert scores['mIoU'] == scores['aAcc'] == scores['mAcc'] == 100


def test_the_teacher_is_scored_under_its_own_prefix() -> None:
    student, teacher = _metric(), _metric(key='teacher_pred_sem_seg', prefix='teacher')
    sample = _sample(LABEL, pred_sem_seg=PREDICTION, teacher_pred_sem_seg=LABEL.clamp(max=3))
    for metric in (student, teacher):
        metric.process(None, [sample])
    assert student.evaluate(1)['mIoU'] == 69.05
    assert teacher.evaluate(1)['teacher/mIoU'] == 100


def test_without_a_teacher_there_is_no_score_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    metric = _metric(key='teacher_pred_sem_seg', prefix='teacher')
    metric.process(None, [_sample(LABEL, pred_sem_seg=PREDICTION)] * 2)
    assert metric.evaluate(2) == {}
    assert not caplog.records


def test_a_teacher_in_some_samples_only_is_refused() -> None:
    metric = _metric(key='teacher_pred_sem_seg')
    metric.process(None, [_sample(LABEL), _sample(LABEL, teacher_pred_sem_seg=PREDICTION)])
    with pytest.raises(InputError, match='1 of 2 samples'):
        metric.evaluate(2)


def test_nothing_valid_is_nan() -> None:
    metric = _metric()
    metric.process(None, [_sample(torch.full((4, 4), 255), pred_sem_seg=PREDICTION)])
    assert all(math.isnan(value) for value in metric.evaluate(1).values())


def test_a_result_is_one_small_matrix_per_sample() -> None:
    metric = _metric()
    metric.process(None, [_sample(LABEL, pred_sem_seg=PREDICTION)] * 3)
    assert [result.shape for result in metric.results] == [(4, 4)] * 3


def test_a_one_channel_heads_float_prediction_is_scored() -> None:
    metric = _metric(classes=('no', 'yes'))
    metric.process(None, [_sample(torch.ones(2, 2), pred_sem_seg=torch.ones(2, 2))])
    assert metric.evaluate(1)['IoU.yes'] == 100


@pytest.mark.parametrize(
    ('sample', 'message'),
    [
        (_sample(LABEL), 'no pred_sem_seg'),
        ({'pred_sem_seg': {'data': PREDICTION[None]}}, 'LoadAnnotations'),
        (_sample(LABEL, pred_sem_seg=PREDICTION[:2]), r'\(2, 4\).*\(4, 4\)'),
        (_sample(LABEL + 2, pred_sem_seg=PREDICTION), 'label.*class index 257'),
        (_sample(LABEL, pred_sem_seg=PREDICTION + 3), 'pred_sem_seg.*class index 5'),
        (_sample(LABEL, pred_sem_seg=PREDICTION - 1), 'pred_sem_seg.*class index -1'),
    ],
)
def test_what_cannot_be_scored_is_refused(sample: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _metric().process(None, [sample])


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match='key'):
        ClassIoU(key='')
    with pytest.raises(InputError, match='classes'):
        _metric(classes=()).process(None, [_sample(LABEL, pred_sem_seg=PREDICTION)])
