"""Images and labels of a data set as plain arrays, for checks, calibration and scores."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmseg.registry import DATASETS
from numpy.typing import NDArray

from ...datasets.tiles.dataset import FolderLandCover
from ...errors import InputError
from ...imagery import Bands

PIPELINE = [dict(type='LoadRasterImage'), dict(type='LoadRasterLabel'), dict(type='PackSegInputs')]


class Tiles:
    """A data set without augmentation.

    Args:
        dataset: A config's ``dataset``; its pipeline is not used.
        limit: Largest number of images, evenly spread over the set; None for all.

    Raises:
        InputError: The data is missing or empty, or (during iteration) an image cannot be read.
    """

    def __init__(self, dataset: Mapping[str, Any], limit: int | None = None) -> None:
        try:
            self._data = DATASETS.build({**dataset, **_strict(dataset), 'pipeline': PIPELINE})
            count = len(self._data)
        except FileNotFoundError as error:
            raise InputError(f'{error.filename} does not exist; name a folder of tiles with --data-root') from error
        self.bands = Bands.of(self._data.metainfo)
        if not count:
            raise InputError(f'no image in {dataset.get("data_root")}; name a folder of tiles with --data-root')
        taken = count if limit is None else min(limit, count)
        self.indices = [index * count // taken for index in range(taken)]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Yields images (H, W, 3), RGB, uint8, or (H, W, B), float32, if bands are named; and labels (H, W), 255 for
        unlabelled pixels."""
        for index in self.indices:
            sample = self._data[index]
            label = sample['data_samples'].gt_sem_seg.data[0].numpy().astype(np.int64)
            pixels = sample['inputs'].numpy()
            ordered = pixels.astype(np.float32) if self.bands else pixels[::-1]  # MMSegmentation reads images as BGR
            yield np.ascontiguousarray(ordered.transpose(1, 2, 0)), label

    def images(self) -> list[NDArray[Any]]:
        """Returns the images alone."""
        return [image for image, _ in self]


def _strict(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings under which an unreadable image raises: for a score, another image must not replace it."""
    kind = DATASETS.get(dataset['type']) if isinstance(dataset['type'], str) else dataset['type']
    return dict(max_unreadable=0.0) if kind is FolderLandCover else {}
