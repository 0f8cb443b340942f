"""A folder of the user's own tiles, described by its ``dataset.yaml``."""

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from rich.progress import Progress

from ...errors import InputError
from ...imagery.limits import MAX_PIXELS, check_max_pixels
from .check import check_image, check_pair
from .dataset_yaml import IGNORE, DatasetSpec, read_dataset_yaml
from .files import SPLITS, UNLABELLED, check_links_of, left_out, pairs_of, unlabelled_of
from .parts import check_part, of_other_scenes, tuning_names
from .settings import class_numbers, own_loading, refuse, seen_by_model
from .skipped import SkippedImages

HANDLING = ('max_unreadable', 'max_pixels', 'follow_links')  # arguments that change no sample
MANY_FILES = 200  # From this number on, a check takes long enough to show progress.
PAUSES = (0.0, 0.1, 1.0)  # Seconds before each new attempt to read an unreadable image.


def check_folder(
    data_root: str | os.PathLike,
    spec: DatasetSpec,
    max_pixels: int = MAX_PIXELS,
    follow_links: bool = False,
    unlabelled: bool = False,
) -> None:
    """Reads every image and label once, as in training, and reports what would fail there.

    Args:
        data_root: The folder.
        spec: Content of its ``dataset.yaml``.
        max_pixels, follow_links: As for :class:`FolderLandCover`.
        unlabelled: Check the images without a label too, because they are used for training.

    Raises:
        InputError: A split is missing, empty or wholly ignored, an image has no label, a file is a link out of the
            folder, a file claims too many pixels or cannot be read, an image is smaller than 2 x 2 pixels, an image and
            its label differ in size, or a label has a value other than the classes and ``ignore_index``. The message
            names the first such file.
    """
    root = Path(data_root).expanduser()
    check_max_pixels(max_pixels)
    pairs = {split: pairs_of(root, spec, split) for split in SPLITS}
    extra = unlabelled_of(root, spec) if unlabelled else []
    if not follow_links:
        check_links_of([*(file for split in SPLITS for pair in pairs[split] for file in pair), *extra], root)
    for split in SPLITS:
        if spare := left_out(root, spec, split):
            print_log(
                f'{root}: {len(spare)} images of {split} do not end in {spec.img_suffix} (img_suffix) and are skipped, '
                f'such as {spare[0].name}',
                logger='current',
                level=logging.WARNING,
            )
    total = sum(map(len, pairs.values())) + len(extra)
    with Progress(transient=True, disable=total < MANY_FILES or not sys.stdout.isatty()) as progress:
        task = progress.add_task('Checking the data', total=total)
        for split in SPLITS:
            pixels = np.zeros(len(spec.classes), np.int64)
            for counts in _in_threads(lambda pair: check_pair(pair[0], pair[1], spec, max_pixels), pairs[split]):
                pixels += counts
                progress.advance(task)
            folder = root / 'ann_dir' / split
            if not pixels.any():
                raise InputError(f'{folder}: every pixel is {spec.ignore_index} (ignore_index); expected some classes')
            for name in np.array(spec.classes)[pixels == 0]:
                print_log(f'{folder}: no pixel of class {name}', logger='current', level=logging.WARNING)
        for _ in _in_threads(lambda image: check_image(image, spec, max_pixels), extra):
            progress.advance(task)


def _in_threads(function: Callable[[Any], Any], jobs: list[Any]) -> Iterator[Any]:
    """Yields results in the order of the jobs; the first error cancels the rest."""
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        yield from pool.map(function, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


@DATASETS.register_module()
class FolderLandCover(BaseSegDataset):
    """Tiles in ``img_dir/{train,val}`` and labels in ``ann_dir/{train,val}``, with a ``dataset.yaml`` beside them.

    Labels of ``ignore_index`` reach the pipeline as 255, the value that losses and metrics ignore.

    ``LoadImageFromFile`` and ``LoadAnnotations`` in the pipeline are replaced by
    :class:`~mapsage_mmseg.imagery.LoadRasterImage`, which reads the bands that ``dataset.yaml`` names, and
    :class:`~mapsage_mmseg.imagery.LoadRasterLabel`.

    If an image becomes unreadable during a run, reading is tried again a few times. Then the image before it replaces
    it.

    Args:
        data_root: The folder.
        split: ``'train'`` or ``'val'``.
        part: ``'fit'`` or ``'tune'``, which divide the training tiles by scene; None for all of a split.
        scene: As in ``dataset.yaml``, which it overrides.
        max_unreadable: Share of the images that may become unreadable, rounded up to whole images.
        max_pixels: Largest number of pixels of an image or label. A file whose header claims more counts as unreadable
            and is not decoded.
        follow_links: Follow links of single files out of the folder. Links of folders are always followed.
        classes: Class names of the model, in its order; labels are renumbered to it by the names of the folder's
            classes. None keeps the folder's own.
        bands: Bands of the model, as ``Bands.as_dict`` returns them; their mean and std override the folder's. None
            keeps the folder's.
        keep_unlabelled: As for :class:`~mapsage_mmseg.imagery.LoadRasterLabel`.
        unlabelled: Largest number of images of ``img_dir/unlabelled`` per labelled image in an epoch; every epoch draws
            its own. They come after the labelled images, and every pixel of their labels is ignored. Only for
            ``split='train'``; ``part='tune'`` has none of them, ``part='fit'`` none from the scenes that are tuned on.
        kwargs: As for :class:`mmseg.datasets.BaseSegDataset`, except those in
            ``mapsage_mmseg.datasets.tiles.settings.REFUSED``.

    Raises:
        InputError: As :func:`read_dataset_yaml`; or an argument is refused or out of its range, the split is missing or
            empty, an image has no label, a file is a link out of the folder, or the tiles cannot be divided, see
            :func:`~mapsage_mmseg.datasets.tiles.parts.tuning_names`. During a run: more images became unreadable than
            ``max_unreadable`` allows.
    """

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        part: str | None = None,
        scene: str | None = None,
        max_unreadable: float = 0.01,
        max_pixels: int = MAX_PIXELS,
        follow_links: bool = False,
        classes: Sequence[str] | None = None,
        bands: Mapping[str, Any] | None = None,
        keep_unlabelled: bool = False,
        unlabelled: float = 0,
        **kwargs: Any,
    ) -> None:
        refuse(kwargs)
        if split not in SPLITS:
            raise InputError(f'FolderLandCover: split={split!r}; expected {" or ".join(map(repr, SPLITS))}')
        if not isinstance(unlabelled, int | float) or not 0 <= unlabelled < math.inf:
            raise InputError(
                f'FolderLandCover: unlabelled={unlabelled!r}; expected a number from 0, how many for each with a label'
            )
        if unlabelled and split != 'train':
            raise InputError(f"FolderLandCover: unlabelled={unlabelled} with split={split!r}; expected split='train'")
        check_part(part, split, 'FolderLandCover')
        check_max_pixels(max_pixels)
        self.split, self.part, self.max_unreadable = split, part, max_unreadable
        self.max_pixels, self.follow_links, self.unlabelled = max_pixels, follow_links, unlabelled
        self.spec = seen_by_model(read_dataset_yaml(data_root), bands, str(data_root))
        self.numbers = class_numbers(self.spec, classes, str(data_root))
        self.scene = scene or self.spec.scene
        colours = dict(zip(self.spec.classes, self.spec.palette, strict=True))
        palette = [list(colours.get(name, (0, 0, 0))) for name in classes or self.spec.classes]
        meta: dict[str, Any] = {'classes': tuple(classes or self.spec.classes), 'palette': palette}
        if self.spec.bands:
            meta['bands'] = self.spec.bands.as_dict()
        kwargs['pipeline'] = own_loading(kwargs.get('pipeline', ()), meta.get('bands'), max_pixels, keep_unlabelled)
        super().__init__(
            data_root=str(Path(data_root).expanduser()),
            metainfo=meta,
            img_suffix=self.spec.img_suffix,
            seg_map_suffix=self.spec.seg_map_suffix,
            **kwargs,
        )
        self._metainfo['name'] = self.spec.name  # Not in metainfo: MMEngine takes a string there for a file name.

    def full_init(self) -> None:
        """Lists the files, once."""
        if not self._fully_initialized:
            super().full_init()
            infos = map(self.get_data_info, range(len(self)))
            self.optional = np.array([info['seg_map_path'] is None for info in infos]) if self.unlabelled else None
            self.skipped = SkippedImages(len(self), self.max_unreadable, self.optional)

    @property
    def epoch_size(self) -> int:
        """Number of images in an epoch."""
        self.full_init()
        extra = int(self.optional.sum()) if self.optional is not None else 0
        return len(self) - extra + min(extra, int(self.unlabelled * (len(self) - extra)))

    def prepare_data(self, idx: int) -> Any:
        """Returns the sample of an index, or of the nearest readable one before it."""
        while True:
            try:
                return super().prepare_data(idx)
            except Exception:
                trouble = self._trouble(idx)
                if trouble is None:  # readable again, or the error is not the file's and is raised again
                    return super().prepare_data(idx)
            self._skip(idx, trouble)
            idx = (idx - 1) % len(self)

    def _trouble(self, idx: int) -> str | None:
        info, trouble = self.get_data_info(idx), None
        for pause in (0.0,) if idx in self.skipped else PAUSES:
            time.sleep(pause)
            try:
                if info['seg_map_path'] is None:
                    check_image(Path(info['img_path']), self.spec, self.max_pixels)
                else:
                    check_pair(Path(info['img_path']), Path(info['seg_map_path']), self.spec, self.max_pixels)
            except InputError as error:
                trouble = str(error)
            else:
                return None
        return trouble

    def _skip(self, idx: int, trouble: str) -> None:
        known = idx in self.skipped
        self.skipped.add(idx)
        self._check_share(trouble)
        if not known:
            print_log(f'Skipped, the image before it takes its place: {trouble}', 'current', logging.WARNING)

    def _check_share(self, last: str) -> None:
        for count, images, allowed in self.skipped.beyond():
            raise InputError(
                f'{count} of {images} images became unreadable, above the {allowed} that may '
                f'(train_dataloader.dataset.max_unreadable, or that of val_dataloader), the last: {last}. Bring them '
                'back and continue with --resume'
            )

    def check_skipped(self) -> None:
        """Checks the number of skipped images of all processes, which :meth:`skipped_images` has gathered.

        Raises:
            InputError: There are more than ``max_unreadable`` allows.
        """
        skipped = self.skipped.indices()
        if skipped:
            self._check_share(self.get_data_info(skipped[-1])['img_path'])

    def skipped_images(self) -> list[str]:
        """Returns the paths of the images that any process skipped, relative to the folder; every process must call."""
        root = Path(self.data_root)
        self.skipped.gather()
        return [
            Path(self.get_data_info(index)['img_path']).relative_to(root).as_posix() for index in self.skipped.indices()
        ]

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns one entry per image, labelled images first, sorted by name; :func:`check_folder` checks them all."""
        moved = {old: new for old, new in self.numbers.items() if old != new}
        label_map = moved | ({} if self.spec.ignore_index == IGNORE else {self.spec.ignore_index: IGNORE}) or None
        root = Path(self.data_root)
        pairs = pairs_of(root, self.spec, self.split)
        unlabelled = unlabelled_of(root, self.spec) if self.unlabelled else []
        if not self.follow_links:
            check_links_of([*(file for pair in pairs for file in pair), *unlabelled], root)
        if self.part:
            pairs, unlabelled = self._divided(pairs, unlabelled)
        same = {'label_map': label_map, 'reduce_zero_label': False}
        files = [*((str(image), str(label)) for image, label in pairs), *((str(image), None) for image in unlabelled)]
        return [{'img_path': image, 'seg_map_path': label, 'seg_fields': [], **same} for image, label in files]

    def _divided(
        self, pairs: list[tuple[Path, Path]], unlabelled: list[Path]
    ) -> tuple[list[tuple[Path, Path]], list[Path]]:
        folder = Path(self.data_root) / 'img_dir' / self.split
        names = {image.relative_to(folder).as_posix(): (image, label) for image, label in pairs}
        tuned = tuning_names(list(names), self.scene, str(folder))
        if self.scene is None and self.part == 'tune':
            print_log(
                f'{folder}: the last {len(tuned)} of {len(names)} tiles by name are tuned on, though neighbouring '
                "tiles may share a scene; name the scene: a line in dataset.yaml, as in scene: '^(t[0-9]+)_'",
                logger='current',
                level=logging.WARNING,
            )
        if self.part == 'tune':
            return [names[name] for name in names if name in tuned], []
        extra = {image.relative_to(folder.parent / UNLABELLED).as_posix(): image for image in unlabelled}
        left = of_other_scenes(list(extra), tuned, self.scene, str(folder))
        return [names[name] for name in names if name not in tuned], [extra[name] for name in left]
