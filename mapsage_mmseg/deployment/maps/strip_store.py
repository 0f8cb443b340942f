"""Store of the finished strips of a scene, kept until all are finished."""

import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...whole_file import remove_partial, whole_file, write_text
from .strips import NO_CLASS

CHUNK = 512  # rows that are counted at once
STEPS = 250  # steps of a probability, which is stored in a byte; 255 is reserved for nodata


class StripStore:
    """A hidden folder beside the result, with one file per strip.

    Args:
        result: Path of the final file.
        facts: What determines the result: the scene, the model, the plan. Strips stored under other facts are removed.
    """

    def __init__(self, result: Path, facts: Mapping[str, Any]) -> None:
        self.folder = result.with_name(f'.{result.name}.strips')
        text = json.dumps(facts, sort_keys=True)
        said = self.folder / 'facts.json'
        if not said.is_file() or said.read_bytes() != text.encode():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            write_text(said, text)
        remove_partial(self.folder)

    def finished(self) -> int:
        """Returns the number of finished strips, from the top."""
        count = 0
        while self._path(count).is_file():
            count += 1
        return count

    def keep(self, index: int, classes: NDArray[np.uint8], probabilities: NDArray[np.float32] | None) -> None:
        """Writes a strip atomically: classes (h, W) and, if given, probabilities (C, h, W)."""
        parts: dict[str, Any] = dict(classes=classes)
        if probabilities is not None:
            steps = np.empty(probabilities.shape, np.uint8)
            for target, source in zip(steps, probabilities, strict=True):  # one class at a time, to save memory
                np.rint(source * STEPS, out=target, casting='unsafe')
            steps[:, classes == NO_CLASS] = NO_CLASS
            parts['probabilities'] = steps
        with whole_file(self._path(index)) as file:
            np.savez_compressed(file, **parts)

    def chunks(self, part: str, height: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yields (first row, chunk) of a part, from top to bottom.

        All chunks (..., h, W) but the last have the given height, whatever the height of the strips.
        """
        row, held, waiting = 0, 0, []
        for index in range(self.finished()):
            waiting.append(self._read(index, part))
            held += waiting[-1].shape[-2]
            while held >= height:
                joined = np.concatenate(waiting, axis=-2)
                yield row, joined[..., :height, :]
                row, held, waiting = row + height, held - height, [joined[..., height:, :]]
        if held:
            yield row, np.concatenate(waiting, axis=-2)

    def share_without_class(self) -> float:
        """Returns the share of the scene without a class, 0 to 1."""
        empty = size = 0
        for _, chunk in self.chunks('classes', CHUNK):
            empty, size = empty + int((chunk == NO_CLASS).sum()), size + chunk.size
        return empty / size

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder)

    def _read(self, index: int, part: str) -> NDArray[np.uint8]:
        path = self._path(index)
        try:
            with np.load(path) as file:
                return file[part]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f'{path} cannot be read ({error}); remove it, and the same command makes it anew'
            ) from error

    def _path(self, index: int) -> Path:
        return self.folder / f'strip_{index:06d}.npz'
