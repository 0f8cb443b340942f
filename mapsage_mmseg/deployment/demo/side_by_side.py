"""Predictions of several models for one picture, with their times."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..maps.strips import Plan, predict_strips
from ..predictor import Predictor

WINDOW, OVERLAP = 512, 64  # pixels; the defaults of tools/predict.py
WARM_UP = 256  # pixels of a side
RUNS, ENOUGH = 3, 1.0  # timed runs, and seconds that they may take: a single time is noisy


@dataclass(frozen=True)
class Contestant:
    """A model that is shown beside others.

    Attributes:
        name: 'student' or 'teacher'.
        predictor: The model.
        megabytes: Size of its weights or its file, 10^6 bytes.
        params_m: Parameters in millions, or None if not recorded.
        mIoU: Its recorded validation score in percent, or None.
    """

    name: str
    predictor: Predictor
    megabytes: float
    params_m: float | None
    mIoU: float | None


@dataclass(frozen=True)
class Seen:
    """Prediction of a model for a picture.

    Attributes:
        classes: (H, W), uint8, 255 where the picture holds no data.
        milliseconds: Wall-clock time, the shortest of up to three runs; a run is repeated only if a second suffices.
    """

    classes: NDArray[np.uint8]
    milliseconds: float


def see(image: NDArray[Any], known: NDArray[np.bool_], predictor: Predictor) -> Seen:
    """Predicts a picture in the windows of :mod:`~mapsage_mmseg.imagery.windows`.

    Args:
        image: Model input, (H, W, 3 or B).
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
    """Runs each model once, so that the first picture does not wait for one-time initialisation."""
    for contestant in contestants:
        see(blank(WARM_UP, contestant.predictor), np.ones((WARM_UP, WARM_UP), bool), contestant.predictor)


def blank(side: int, predictor: Predictor) -> NDArray[Any]:
    """Returns model input of zeros, (side, side, 3 or B)."""
    bands = predictor.bands
    return np.zeros((side, side, len(bands.numbers)), np.float32) if bands else np.zeros((side, side, 3), np.uint8)
