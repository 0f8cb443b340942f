"""Bootstrap interval of a difference in mIoU over the validation images."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Areas = NDArray[np.int64]  # (images, 3, C): pixels that are right, labelled and predicted, of each class
NAME = 'validation.npz'  # beside a run's record
DRAWS = 2000
CONFIDENCE = 0.95


def read_areas(record: str | Path) -> Areas | None:
    """The areas of a run's last validation, which lie beside its record; None where there are none that can be read."""
    try:
        with np.load(Path(record).parent / NAME, allow_pickle=False) as content:
            found = content['areas']
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return found if found.ndim == 3 and found.shape[1] == 3 and found.dtype.kind in 'iu' else None


def miou(areas: NDArray[np.int64]) -> NDArray[np.float64]:
    """mIoU in percent, of sums (..., 3, C): mean over the classes in label or prediction."""
    right, labelled, predicted = np.moveaxis(areas.astype(np.float64), -2, 0)
    union = labelled + predicted - right
    with np.errstate(invalid='ignore', divide='ignore'):
        return 100 * np.nanmean(np.where(union > 0, right / union, np.nan), axis=-1)


def paired_bootstrap(
    pairs: Sequence[tuple[Areas, Areas]], draws: int = DRAWS, seed: int = 0
) -> tuple[float, float] | None:
    """95 % interval of a difference in mIoU, mean over pairs of runs, under another draw of the validation images
    (Efron and Tibshirani 1993): images are drawn with replacement, the same for both runs of a pair and for all pairs.

    It says what the choice of images does; the interval over seeds says what chance in training does.

    Args:
        pairs: Areas of two runs on the same images, in the same order.
        draws: How many.
        seed: Of the draws, so that a comparison repeats itself.

    Returns:
        Ends of the interval, percent points; None where a pair has other images.
    """
    if not pairs or len({areas.shape for pair in pairs for areas in pair}) > 1:
        return None
    count = len(pairs[0][0])
    chosen = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)  # (draws, images)
    differences = np.zeros(draws)
    for mine, its in pairs:
        one, other = (np.tensordot(chosen, areas, axes=(1, 0)) for areas in (mine, its))  # (draws, 3, C)
        differences += (miou(one) - miou(other)) / len(pairs)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(differences, (tail, 100 - tail))
    return float(low), float(high)
