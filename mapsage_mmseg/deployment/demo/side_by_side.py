"""Predictions of several models for one picture, with their times."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..maps.strips import Plan, predict_strips
from ..predictor import Predictor

WINDOW, OVERLAP = 512, 64  # pixels; tools/predict.py's own
WARM_UP = 256  # pixels of a side
RUNS, ENOUGH = 3, 1.0  # runs that are timed, and seconds that they may take: one alone is chance


@dataclass(frozen=True)
class Contestant:
    """A model that is shown beside others.

    Attributes:
        name: 'student' or 'teacher'.
        predictor: The model.
        megabytes: Of its weights or its file, 10^6 bytes.
        params_m: Parameters in millions, or None where that is not recorded.
        mIoU: Its recorded validation score in percent, or None.
    """

    name: str
    predictor: Predictor
    megabytes: float
    params_m: float | None
    mIoU: float | None


@dataclass(frozen=True)
class Seen:
    """What a model made of a picture.

    Attributes:
        classes: (H, W), uint8, 255 where the picture holds no data.
        milliseconds: By the clock, the least of up to three runs that together take no more than a second.
    """

    classes: NDArray[np.uint8]
    milliseconds: float


def see(image: NDArray[Any], known: NDArray[np.bool_], predictor: Predictor) -> Seen:
    """Predicts a picture by the windows of :mod:`~mapsage_mmseg.imagery.windows`.

    Args:
        image: As the model takes it, (H, W, 3 or B).
        known: Which pixels hold data (H, W).
        predictor: The model.
    """

    def read(row: int, column: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        window = slice(row, row + height), slice(column, column + width)
        return np.ascontiguousarray(image[window]), known[window]

    plan, taken = Plan(image.shape[0], image.shape[1], WINDOW, OVERLAP), list[float]()
    while not taken or (len(taken) < RUNS and sum(taken) + taken[-1] < ENOUGH):
        began = time.perf_counter()
        strips = [found for found, _ in predict_strips(plan, read, predictor.logits, len(predictor.classes))]
        taken.append(time.perf_counter() - began)
    return Seen(np.concatenate(strips), 1000 * min(taken))


def warm_up(contestants: Sequence[Contestant]) -> None:
    """Runs each once, so that nobody waits for what a first run alone takes."""
    for contestant in contestants:
        see(blank(WARM_UP, contestant.predictor), np.ones((WARM_UP, WARM_UP), bool), contestant.predictor)


def blank(side: int, predictor: Predictor) -> NDArray[Any]:
    """A picture of nothing, (side, side, 3 or B), as the model takes it."""
    bands = predictor.bands
    return np.zeros((side, side, len(bands.numbers)), np.float32) if bands else np.zeros((side, side, 3), np.uint8)
