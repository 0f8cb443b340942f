"""TaskLoss: values worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.metrics import TaskLoss


def _sample(logits: torch.Tensor, label: torch.Tensor) -> dict:
    return {'seg_logits': {'data': logits}, 'gt_sem_seg': {'data': label[None]}}


def _score(*samples: dict) -> float:
    metric = TaskLoss()
    metric.process(None, samples)
    return metric.evaluate(len(samples))['task_loss']


def test_an_undecided_model_scores_the_logarithm_of_the_class_count() -> None:
    assert _score(_sample(torch.zeros(7, 4, 4), torch.randint(0, 7, (4, 4)))) == pytest.approx(math.log(7))


def test_pixels_count_and_not_tiles() -> None:
    full = _sample(torch.zeros(2, 4, 4), torch.zeros(4, 4, dtype=torch.long))  # 16 pixels at ln 2
    label = torch.full((4, 4), 255)
    label[0, :2] = 0
    logits = torch.zeros(2, 4, 4)
    logits[1] = math.log(3)  # class 0 has 1/4: 2 pixels at 2 ln 2
    assert _score(full, _sample(logits, label)) == pytest.approx(20 / 18 * math.log(2))


def test_smaller_logits_are_resized_to_the_label() -> None:
    logits = torch.tensor([[[0.0, 4.0]], [[0.0, 0.0]]])  # (2, 1, 2): becomes 0, 1, 3, 4 without aligned corners
    expected = F.softplus(torch.tensor([0.0, 1.0, 3.0, 4.0])).mean().item()
    assert _score(_sample(logits, torch.ones(1, 4, dtype=torch.long))) == pytest.approx(expected)


def test_half_precision_logits_are_read_in_float32() -> None:
    logits = torch.tensor([20.0, 0.0]).reshape(2, 1, 1).half()
    expected = F.cross_entropy(logits.float()[None], torch.zeros(1, 1, 1, dtype=torch.long)).item()
    assert _score(_sample(logits, torch.zeros(1, 1, dtype=torch.long))) == pytest.approx(expected)


def test_nothing_valid_is_nan() -> None:
    assert math.isnan(_score(_sample(torch.zeros(3, 4, 4), torch.full((4, 4), 255))))


def test_an_ignored_tile_changes_nothing() -> None:
    torch.manual_seed(0)
    tile = _sample(torch.randn(3, 4, 4), torch.randint(0, 3, (4, 4)))
    assert _score(tile, _sample(torch.randn(3, 4, 4), torch.full((4, 4), 255))) == _score(tile)


def test_the_ranks_lists_can_be_interleaved() -> None:
    torch.manual_seed(0)
    samples = [_sample(torch.randn(3, 4, 4), torch.randint(0, 3, (4, 4))) for _ in range(4)]
    ranks = [TaskLoss(), TaskLoss()]
    for rank, metric in enumerate(ranks):
        metric.process(None, samples[rank::2])
    interleaved = [result for pair in zip(ranks[0].results, ranks[1].results, strict=True) for result in pair]
    assert [result.numel() for result in interleaved] == [2] * 4
    assert ranks[0].compute_metrics(interleaved)['task_loss'] == pytest.approx(_score(*samples))


def test_it_runs_in_an_evaluator_on_real_data_samples() -> None:
    sample = SegDataSample(
        seg_logits=PixelData(data=torch.zeros(5, 4, 4)), gt_sem_seg=PixelData(data=torch.zeros(1, 4, 4))
    )
    evaluator = Evaluator([METRICS.build({'type': 'TaskLoss', 'prefix': 'student'})])
    evaluator.process([sample])
    assert evaluator.evaluate(1) == {'student/task_loss': pytest.approx(math.log(5))}


@pytest.mark.parametrize(
    ('sample', 'message'),
    [
        (_sample(torch.zeros(4, 4), torch.zeros(4, 4)), r'\(C, H, W\) is needed'),
        (_sample(torch.zeros(3, 4, 4), torch.full((4, 4), 3)), 'class index 3'),
        ({'gt_sem_seg': {'data': torch.zeros(1, 4, 4)}, 'img_path': 'a/b.png'}, 'a/b.png: no seg_logits'),
        ({'seg_logits': {'data': torch.zeros(3, 4, 4)}, 'img_path': 'a/b.png'}, 'a/b.png: no label'),
    ],
)
def test_what_cannot_be_scored_is_refused(sample: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TaskLoss().process(None, [sample])


def test_one_sigmoid_channel_is_the_log_of_its_probability() -> None:
    """sigmoid(ln 3) = 3/4 for class 1: -ln(3/4) where the label is 1, -ln(1/4) where it is 0."""
    label = torch.tensor([[0, 1], [1, 255]])
    metric = TaskLoss()
    metric.process(None, [_sample(torch.full((1, 2, 2), math.log(3)), label)])
    expected = -(math.log(1 / 4) + 2 * math.log(3 / 4)) / 3
    assert metric.compute_metrics(metric.results) == {'task_loss': pytest.approx(expected, rel=1e-6)}


def test_an_ignore_index_that_is_no_integer_is_refused() -> None:
    with pytest.raises(InputError, match='ignore_index'):
        TaskLoss(ignore_index='255')  # type: ignore[arg-type]
