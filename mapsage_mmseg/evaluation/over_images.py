"""Bootstrap interval of a difference in mIoU over the validation images."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Areas = NDArray[np.int64]  # (images, 3, C): correct, labelled and predicted pixels of each class
NAME = 'validation.npz'  # beside a run's record
DRAWS = 2000
CONFIDENCE = 0.95


def read_areas(record: str | Path) -> Areas | None:
    """Reads the areas of a run's last validation, in a file beside its record; None if they cannot be read."""
    try:
        with np.load(Path(record).parent / NAME, allow_pickle=False) as content:
            found = content['areas']
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return found if found.ndim == 3 and found.shape[1] == 3 and found.dtype.kind in 'iu' else None


def miou(areas: NDArray[np.int64]) -> NDArray[np.float64]:
    """Computes the mIoU in percent from summed areas (..., 3, C), over the classes in label or prediction."""
    right, labelled, predicted = np.moveaxis(areas.astype(np.float64), -2, 0)
    union = labelled + predicted - right
    with np.errstate(invalid='ignore', divide='ignore'):
        return 100 * np.nanmean(np.where(union > 0, right / union, np.nan), axis=-1)


def paired_bootstrap(
    pairs: Sequence[tuple[Areas, Areas]], draws: int = DRAWS, seed: int = 0
) -> tuple[float, float] | None:
    """Computes the 95 % bootstrap interval of a difference in mIoU over the validation images, mean over pairs of runs
    (Efron and Tibshirani 1993).

    Images are drawn with replacement, the same ones for both runs of a pair and for all pairs. This interval shows the
    effect of the choice of images; the interval over seeds shows that of randomness in training.

    Args:
        pairs: Areas of two runs on the same images, in the same order.
        draws: Number of draws.
        seed: Seed of the draws, so that a comparison is reproducible.

    Returns:
        Ends of the interval in percentage points; None if there is no pair, or the shapes of the areas differ.
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
