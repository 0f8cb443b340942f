"""Bands other than red, green and blue, or of more than 8 bits, and their statistics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPREAD = 2.0  # standard deviations on either side of the mean that a picture shows, from black to white


@dataclass(frozen=True)
class Bands:
    """Bands of a file that a model takes, and their statistics.

    Attributes:
        numbers: Band numbers, from 1, in the order in which the model sees them, (B,).
        mean, std: Mean and standard deviation of each over the training tiles, in the file's own values, (B,).
    """

    numbers: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def picture(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Renders the first three bands, or the first one as grey, for viewing.

        Args:
            values: (H, W, B), as :func:`~mapsage_mmseg.imagery.read_image` returns them.

        Returns:
            (H, W, 3), uint8, RGB: two standard deviations below the mean are black, two above it white.
        """
        shown = [0, 1, 2] if len(self.numbers) >= 3 else [0, 0, 0]
        mean, std = (np.asarray(each, np.float32)[shown] for each in (self.mean, self.std))
        scaled = (values[..., shown].astype(np.float32) - mean) / (2 * SPREAD * std) + 0.5
        return (255 * scaled.clip(0, 1)).round().astype(np.uint8)

    def as_dict(self) -> dict[str, list[Any]]:
        """Returns the attributes for a JSON file and for a data set's metainfo."""
        return {key: list(values) for key, values in asdict(self).items()}

    @classmethod
    def of(cls, meta: Mapping[str, Any] | None) -> 'Bands | None':
        """Reads the result of :meth:`as_dict` from ``bands`` of a data set's metainfo; None if there is none."""
        found = (meta or {}).get('bands')
        return None if found is None else cls(**{key: tuple(values) for key, values in found.items()})
