"""BoundaryF1: values worked out by hand, and a slow, literal reference."""

import math

import pytest
import torch

from mapsage_mmseg.errors import InputError
from mapsage_mmseg.metrics import BoundaryF1
from mapsage_mmseg.metrics.boundary_f1 import boundary_f1


def _score(prediction: torch.Tensor, label: torch.Tensor, classes: int = 2, tolerance: int = 2) -> float:
    metric = BoundaryF1(tolerance=tolerance)
    metric.dataset_meta = {'classes': tuple('abcdefg'[:classes])}
    metric.process(None, [{'pred_sem_seg': {'data': prediction[None]}, 'gt_sem_seg': {'data': label[None]}}])
    return metric.evaluate(1)['boundary_f1']


def _split(column: int) -> torch.Tensor:
    """Class 0 left of a column, class 1 from it on: (4, 12)."""
    return (torch.arange(12) >= column).long().expand(4, 12).clone()


def _random(seed: int, ignored: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 3, (4, 5), generator=generator)
    label = blocks.repeat_interleave(3, dim=0).repeat_interleave(3, dim=1)
    label[torch.rand(label.shape, generator=generator) < ignored] = 255
    return label


@pytest.mark.parametrize(
    ('shift', 'tolerance', 'expected'), [(0, 0, 100), (1, 0, 0), (1, 1, 100), (2, 1, 0), (2, 2, 100)]
)
def test_a_shifted_edge_counts_up_to_the_tolerance(shift: int, tolerance: int, expected: float) -> None:
    assert _score(_split(6 + shift), _split(6), tolerance=tolerance) == expected


def test_by_hand() -> None:
    prediction = _split(6)
    prediction[0, 0] = 1
    # class 1: 4 edge pixels and the speck, 4 of 5 right; class 0: 4 edge pixels and 3 around the speck, 4 of 7 right
    expected = (2 * (4 / 5) / (4 / 5 + 1) + 2 * (4 / 7) / (4 / 7 + 1)) / 2
    assert _score(prediction, _split(6), tolerance=0) == round(100 * expected, 2)


def test_classes_without_a_boundary_do_not_count() -> None:
    assert _score(_split(6), _split(6), classes=7) == 100


def test_a_class_in_one_of_the_two_only_scores_0() -> None:
    prediction = _split(6)
    prediction[prediction == 1] = 2
    assert _score(prediction, _split(6), classes=3) == round(100 / 3, 2)


def test_a_tile_of_one_class_has_no_boundary() -> None:
    assert math.isnan(_score(torch.zeros(4, 4, dtype=torch.long), torch.zeros(4, 4, dtype=torch.long)))
    assert _score(_split(6), torch.zeros(4, 12, dtype=torch.long)) == 0


def test_nothing_valid_is_nan() -> None:
    assert math.isnan(_score(_split(6), torch.full((4, 12), 255)))


def test_the_edge_of_an_ignored_area_is_no_boundary() -> None:
    label = _split(6)
    label[:, 6:] = 255
    assert math.isnan(_score(_split(8), label))


def test_what_lies_in_or_near_an_ignored_area_is_not_scored() -> None:
    label = torch.zeros(4, 12, dtype=torch.long)
    label[:, 4:8] = 255
    label[:, 8:] = 1
    for column in range(3, 10):  # an edge within two pixels of what is hidden could be right
        assert math.isnan(_score(_split(column), label, tolerance=2)), column
    assert _score(_split(1), label, tolerance=2) == 0


def test_a_perfect_prediction_scores_100() -> None:
    label = _random(0, ignored=0.03)
    assert _score(label.clamp(max=2), label, classes=3, tolerance=0) == 100


@pytest.mark.parametrize('tolerance', [0, 1, 2, 40])
def test_symmetric(tolerance: int) -> None:
    first, second = _random(1), _random(2)
    assert _score(first, second, 3, tolerance) == _score(second, first, 3, tolerance)


def test_more_tolerance_never_scores_less() -> None:
    scores = [_score(_random(1), _random(2), 3, tolerance) for tolerance in range(5)]
    assert scores == sorted(scores)


def _reference(prediction: torch.Tensor, label: torch.Tensor, num_classes: int, tolerance: int) -> list[float]:
    """Boundary F1 pixel by pixel, as its definition reads."""
    height, width = label.shape

    def near(y: int, x: int, radius: int) -> list[tuple[int, int]]:
        rows = range(max(0, y - radius), min(height, y + radius + 1))
        return [(v, u) for v in rows for u in range(max(0, x - radius), min(width, x + radius + 1))]

    def valid(y: int, x: int) -> bool:
        return int(label[y, x]) != 255

    def boundary(labels: torch.Tensor, index: int) -> set[tuple[int, int]]:
        members = [(y, x) for y in range(height) for x in range(width) if valid(y, x) and labels[y, x] == index]
        return {place for place in members if any(valid(*p) and labels[p] != index for p in near(*place, 1))}

    def ratio(points: set, others: set) -> float:
        scored = [place for place in points if all(valid(*p) for p in near(*place, tolerance))]
        hits = [place for place in scored if any(p in others for p in near(*place, tolerance))]
        return len(hits) / len(scored) if scored else math.nan

    scores = []
    for index in range(num_classes):
        edges = boundary(prediction, index), boundary(label, index)
        precision, recall = ratio(*edges), ratio(*edges[::-1])
        precision, recall = (
            recall if math.isnan(precision) else precision,
            precision if math.isnan(recall) else recall,
        )
        scores.append(0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall))
    return scores


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('tolerance', [0, 1, 2])
def test_equals_the_literal_definition(seed: int, tolerance: int) -> None:
    prediction, label = _random(seed), _random(seed + 10, ignored=0.02)
    scores = boundary_f1(prediction, label, label != 255, 4, tolerance)
    torch.testing.assert_close(scores, torch.tensor(_reference(prediction, label, 4, tolerance)), equal_nan=True)


@pytest.mark.parametrize('tolerance', [-1, 1.5, True, None])
def test_a_tolerance_that_is_no_number_of_pixels_is_refused(tolerance: object) -> None:
    with pytest.raises(InputError, match='tolerance'):
        BoundaryF1(tolerance=tolerance)  # type: ignore[arg-type]
