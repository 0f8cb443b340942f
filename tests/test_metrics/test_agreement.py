"""TeacherAgreement: values worked out by hand."""

import math

import pytest
import torch

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.metrics import TeacherAgreement

LABEL = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [255, 255, 255, 255]])
STUDENT = torch.zeros(4, 4, dtype=torch.long)
TEACHER = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]])


def _score(*samples: dict) -> dict:
    metric = TeacherAgreement()
    metric.dataset_meta = {'classes': ('a', 'b')}
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def _sample(student: torch.Tensor, label: torch.Tensor, teacher: torch.Tensor | None) -> dict:
    fields = {'pred_sem_seg': student, 'gt_sem_seg': label}
    if teacher is not None:
        fields['teacher_pred_sem_seg'] = teacher
    return {name: {'data': data[None]} for name, data in fields.items()}


def test_by_hand() -> None:
    assert _score(_sample(STUDENT, LABEL, TEACHER)) == {'teacher_agreement': 75.0}  # 9 of 12 valid pixels


def test_pixels_count_and_not_tiles() -> None:
    sparse = torch.full((4, 4), 255)
    sparse[0, 0] = 1  # one valid pixel, and they agree there
    score = _score(_sample(STUDENT, LABEL, TEACHER), _sample(STUDENT, sparse, TEACHER))
    assert score == {'teacher_agreement': round(100 * 10 / 13, 2)}


def test_symmetric_and_100_for_the_same_prediction() -> None:
    assert _score(_sample(TEACHER, LABEL, STUDENT)) == _score(_sample(STUDENT, LABEL, TEACHER))
    assert _score(_sample(TEACHER, LABEL, TEACHER)) == {'teacher_agreement': 100.0}


def test_nothing_valid_is_nan() -> None:
    assert math.isnan(_score(_sample(STUDENT, torch.full((4, 4), 255), TEACHER))['teacher_agreement'])


def test_without_a_teacher_there_is_no_score() -> None:
    assert _score(_sample(STUDENT, LABEL, None)) == {}


def test_a_teacher_in_some_samples_only_is_refused() -> None:
    with pytest.raises(InputError, match='1 of 2 samples'):
        _score(_sample(STUDENT, LABEL, None), _sample(STUDENT, LABEL, TEACHER))


def test_a_teacher_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match='teacher_pred_sem_seg'):
        _score(_sample(STUDENT, LABEL, TEACHER[:2]))
