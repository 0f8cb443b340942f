"""Cache of a teacher's outputs for whole training images."""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from mmseg.datasets import BaseSegDataset
from rich.progress import Progress
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ...datasets.transforms.map_store import MapStore
from ...datasets.transforms.replayed_pipeline import Replay, ReplayedPipeline
from ...errors import InputError
from .cache_plan import MULTIPLE, check_phases, content, kept_maps
from .keys import digest

NEWS = 30.0  # seconds between two log lines while a cache is built


@dataclass(frozen=True)
class Built:
    """What was built, and how long it took.

    Attributes:
        images: Number of images computed by this process.
        seconds: Time for these images, including loading and writing.
    """

    images: int
    seconds: float


def replay_of(dataset: Any) -> Replay:
    """Returns the replay of a training pipeline, which transforms a teacher's map as the pipeline transforms its image.

    Raises:
        InputError: The data set is a wrapper, or a transform cannot be replayed.
    """
    if not isinstance(dataset, BaseSegDataset):
        raise InputError(
            f'model.teacher_cache: train_dataloader.dataset is {type(dataset).__name__}, in which images have '
            'no places of their own; expected a plain data set of MMSegmentation, such as FolderLandCover'
        )
    return Replay(dataset.pipeline.transforms)


class TeacherCache:
    """The teacher's maps of a run's training images, in ``<experiments>/teacher_cache/<key>``.

    The key is derived from the teacher's file and config, the images, how a whole image is made from a file, and what
    is stored. An interrupted build is resumed by starting it again: only missing or damaged images are computed.

    Args:
        runner: A runner before training.
        model: Its :class:`MultiLevelDistill`, with the teacher.
        sha256: SHA-256 of the teacher's file.

    Raises:
        InputError: A transform cannot be replayed, a level cannot be stored, or nothing would be saved.
    """

    def __init__(self, runner: Runner, model: Any, sha256: str) -> None:
        self.runner, self.model, self.dataset = runner, model, runner.train_dataloader.dataset
        self.replay = replay_of(self.dataset)
        self.levels, kinds = kept_maps(model)
        check_phases(runner, model, self.levels)
        follows_from = content(runner.cfg, self.dataset, self.replay, kinds, sha256)
        self.key = digest(follows_from)
        folder = Path(runner.cfg.get('experiments', 'experiments')) / 'teacher_cache' / self.key
        folder.mkdir(parents=True, exist_ok=True)
        named = {**follows_from, 'images': len(self.dataset)}
        (folder / 'content.json').write_text(json.dumps(named, indent=1, default=str))  # for readers of the folder
        self.store = MapStore(folder, kinds)

    def build(self) -> Built:
        """Computes what is missing or damaged. Processes that do so at the same time share the work.

        Raises:
            InputError: The disk is too small, or a value is too large for float16.
        """
        missing = [index for index in range(len(self.dataset)) if not self.store.sound(index)]
        damaged = {index for index in missing if self.store.path(index).exists()}
        # Each process starts at another image, and skips those that another process has finished.
        start = os.getpid() * 7919 % max(len(missing), 1)
        done, began, told = 0, time.perf_counter(), time.perf_counter()
        whole = _WholeImages(self.dataset, self.replay, missing[start:] + missing[:start])
        workers = self.runner.cfg.train_dataloader.get('num_workers', 0) if missing else 0
        loader = DataLoader(
            whole, batch_size=None, num_workers=workers, collate_fn=_same, generator=torch.Generator().manual_seed(0)
        )
        if missing:
            self.runner.logger.info(f'Teacher cache: building {len(missing)} images in {self.store.folder}')
        with Progress(transient=True, disable=not (missing and sys.stdout.isatty())) as progress:
            task = progress.add_task('Teacher cache', total=len(missing))
            for number, (index, sample) in enumerate(loader, start=1):
                if index in damaged or not self.store.path(index).exists():
                    self._work_out(index, sample)
                    done += 1
                    if done == 1:
                        self._check_disk(index, len(missing))
                progress.advance(task)
                if progress.disable and time.perf_counter() - told > NEWS:
                    told = time.perf_counter()
                    left = (told - began) / number * (len(missing) - number)
                    self.runner.logger.info(f'Teacher cache: {number} of {len(missing)} images, {left:.0f} s left')
        seconds = time.perf_counter() - began
        barrier()
        return Built(done, seconds if done else 0.0)

    def _work_out(self, index: int, sample: dict) -> None:
        data = self.model.data_preprocessor(
            dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]), False
        )
        inputs, size = data['inputs'], tuple(sample['inputs'].shape[-2:])
        inputs = F.pad(inputs, (0, -inputs.shape[-1] % MULTIPLE, 0, -inputs.shape[-2] % MULTIPLE))
        try:
            self.model.run_teacher(inputs, data['data_samples'], self.levels)
            records = self.model.distiller.records('teacher', self.levels)
        finally:
            self.model.distiller.forget()
        maps = {
            source: self._map(source, record.float(), inputs.shape[-2:], size) for source, record in records.items()
        }
        self.store.write(index, sample['data_samples'].metainfo.get('img_path', ''), size, maps)

    def _map(self, source: str, record: torch.Tensor, padded: Sequence[int], size: Sequence[int]) -> np.ndarray:
        """Returns the map (h, w, C) at the source's stride, without the padding."""
        stride = self.store.kinds[source].stride
        grid = [side // stride for side in padded]
        if list(record.shape[-2:]) != grid:
            record = F.interpolate(record, size=grid, mode='bilinear', align_corners=False)
        height, width = (-(-side // stride) for side in size)
        return record[0, :, :height, :width].permute(1, 2, 0).cpu().numpy()

    def _check_disk(self, index: int, images: int) -> None:
        need, free = self.bytes_per_image(index) * (images - 1), shutil.disk_usage(self.store.folder).free
        if need > free:
            raise InputError(
                f'{self.store.folder}: {images} images need {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are left; '
                "keep less (model.teacher_cache='top8', fewer levels), or set experiments to another disk"
            )

    def bytes_per_image(self, index: int = 0) -> int:
        """Returns the size of one image's record in bytes."""
        return self.store.path(index).stat().st_size

    def pipeline(self) -> ReplayedPipeline:
        """Returns a new training pipeline that adds the teacher's maps to its samples."""
        return ReplayedPipeline(self.dataset.pipeline.transforms, self.store)

    def attach(self) -> None:
        """Adds the teacher's maps to the training batches, and has the model use them."""
        self.dataset.pipeline = self.pipeline()
        self.model.cached_sources = {source: kind.stride for source, kind in self.store.kinds.items()}
        # Workers that are running already would keep the old pipeline.
        loop = self.runner.train_loop
        loop.dataloader._iterator = None
        if isinstance(loop, IterBasedTrainLoop):
            loop.dataloader_iterator = _InfiniteDataloaderIterator(loop.dataloader)


class _WholeImages(Dataset):
    """Data set of (index, packed sample), from unaugmented images."""

    def __init__(self, dataset: BaseSegDataset, replay: Replay, indices: Sequence[int]) -> None:
        self.dataset, self.replay, self.indices = dataset, replay, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> tuple[int, dict]:
        index = self.indices[number]
        return index, self.replay.whole_image(self.dataset.get_data_info(index))


def _same(sample: Any) -> Any:
    return sample
