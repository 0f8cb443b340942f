"""Images and labels of a data set as plain arrays: to check, calibrate and score with."""

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
        limit: At most so many images, evenly spread over the set; None for all.

    Raises:
        InputError: There is no such data, or none in it, or (while images are read) one cannot be read.
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
        """Images (H, W, 3), RGB, uint8, or (H, W, B), float32, where bands are named; labels (H, W), 255 where there is
        none."""
        for index in self.indices:
            sample = self._data[index]
            label = sample['data_samples'].gt_sem_seg.data[0].numpy().astype(np.int64)
            pixels = sample['inputs'].numpy()
            ordered = pixels.astype(np.float32) if self.bands else pixels[::-1]  # MMSegmentation reads images as BGR
            yield np.ascontiguousarray(ordered.transpose(1, 2, 0)), label

    def images(self) -> list[NDArray[Any]]:
        """The images alone."""
        return [image for image, _ in self]


def _strict(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A score in which a neighbour stands for an image that cannot be read would be no score."""
    kind = DATASETS.get(dataset['type']) if isinstance(dataset['type'], str) else dataset['type']
    return dict(max_unreadable=0.0) if kind is FolderLandCover else {}
