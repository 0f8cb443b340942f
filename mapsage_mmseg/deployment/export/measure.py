"""Score, size and single-core latency of the forms of a student."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from ...evaluation.timing import spread
from ...metrics import ClassIoU
from ..predictor import Logits
from ..student.student import Student
from .card import markdown

SIDE = 256  # pixels of the timed tile


@dataclass(frozen=True)
class Form:
    """One form of a model.

    Attributes:
        logits: As for a :class:`~mapsage_mmseg.deployment.predictor.Predictor`.
        megabytes: Size of its file, 10^6 bytes; for a checkpoint, of its weights alone.
    """

    logits: Logits
    megabytes: float


def megabytes(path: Path) -> float:
    """Returns the size of a file, 10^6 bytes."""
    return path.stat().st_size / 1e6


def weights_megabytes(student: Student) -> float:
    """Returns the size of a student's weights, 10^6 bytes; the file of a checkpoint may hold more."""
    return sum(value.numel() * value.element_size() for value in student.weights.values()) / 1e6


def miou(
    logits: Logits, tiles: Iterable[tuple[NDArray[Any], NDArray[np.int64]]], classes: Sequence[str]
) -> dict[str, float]:
    """Computes ``mIoU`` and ``IoU.<class>`` in percent over images and labels, whole images at once."""
    metric = ClassIoU()
    metric.dataset_meta = dict(classes=classes)
    count = 0
    for image, label in tiles:
        found = torch.from_numpy(logits(image[None])[0].argmax(0)[None])
        metric.process(None, [dict(pred_sem_seg=dict(data=found), gt_sem_seg=dict(data=torch.from_numpy(label)[None]))])
        count += 1
    return metric.evaluate(count)


def milliseconds(forms: Mapping[str, Form], tile: NDArray[Any], rounds: int) -> dict[str, list[float]]:
    """Measures the CPU time of this process for one tile through each form, in turns; a first round is not counted.

    Args:
        forms: Forms by name; each should run in one thread.
        tile: (256, 256, 3), uint8, or (256, 256, B), float32.
        rounds: Timed runs of each form.
    """
    found: dict[str, list[float]] = {name: [] for name in forms}
    for turn in track(range(rounds + 1), description='timing in turns', transient=True):
        for name, form in forms.items():
            began = time.process_time()
            form.logits(tile[None])
            if turn:
                found[name].append(1000 * (time.process_time() - began))
    return found


def compare(
    forms: Mapping[str, Form],
    tiles: Sequence[tuple[NDArray[Any], NDArray[np.int64]]],
    classes: Sequence[str],
    rounds: int,
) -> dict[str, dict[str, Any]]:
    """Returns by form ``mIoU``, ``IoU`` by class, ``megabytes``, and ``ms`` per 256 x 256 tile {median, low, high}."""
    image = tiles[0][0]
    repeats = -(-SIDE // min(image.shape[:2]))
    tile = np.tile(image, (repeats, repeats, 1))[:SIDE, :SIDE]
    times = milliseconds(forms, tile, rounds)
    found = {}
    for name, form in forms.items():
        scores = miou(form.logits, track(tiles, description=f'scoring {name}', transient=True), classes)
        found[name] = dict(
            mIoU=scores['mIoU'],
            IoU={key: scores[f'IoU.{key}'] for key in classes},
            megabytes=round(form.megabytes, 2),
            ms={key: round(ms, 1) for key, ms in zip(('median', 'low', 'high'), spread(times[name]), strict=True)},
        )
    return found


def table(forms: Mapping[str, Mapping[str, Any]]) -> str:
    """Formats the result of :func:`compare` as Markdown."""
    rows = []
    for name, found in forms.items():
        times = found['ms']
        ms = f'{times["median"]:.1f} ({times["low"]:.1f} to {times["high"]:.1f})'
        rows.append((name, f'{found["mIoU"]:.2f}', f'{found["megabytes"]:.1f}', ms))
    return markdown(('model', 'mIoU, %', 'MB', f'ms a {SIDE} x {SIDE} tile, median (quartiles)'), rows)
