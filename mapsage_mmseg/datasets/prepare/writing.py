"""A folder that becomes a data set in one step, or stays a staging folder."""

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError
from ...whole_file import PARTIAL, flush_folder, write_text
from .statistics import Counts

BOOT = Path('/proc/sys/kernel/random/boot_id')  # Linux; another after each start of the machine


def check_target(named: str) -> Path:
    """The place for a data set; a link to a folder stands for that folder, which a renamed one can replace.

    Raises:
        InputError: Something is there, or no folder can be made there.
    """
    try:
        out = Path(named).expanduser()
        out = out.resolve() if out.is_symlink() else out
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f'-o {out} exists and is not an empty folder; name a new one, nothing is overwritten')
        if out.is_mount():
            raise InputError(f'-o {out} is a file system of its own, which cannot be replaced; name a folder in it')
        parent = out.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=parent).cleanup()  # permissions do not say it all
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself, or an unknown ~user
        why = getattr(error, 'strerror', None) or error
        raise InputError(f'-o {named} cannot be made: {why}; name a folder elsewhere') from error
    return out


def staging_folder(out: Path) -> Path:
    """Where a data set lies until it is whole: beside its place, hidden, and without a ``dataset.yaml``."""
    absolute = out.absolute()
    return absolute.with_name(f'.{absolute.name}{PARTIAL}')


class Staging:
    """A data set that is being written.

    What an earlier process with the same plan finished is kept, image by image. After a power failure nothing is: files
    may be named there that were never written.

    Args:
        folder: From :func:`staging_folder`.
        plan: All that decides what is written, for JSON.
        keep: Names in the folder that are not ours to remove.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], keep: tuple[str, ...] = ()) -> None:
        self.folder, self._keep, self._journal = folder, keep, folder / '.progress'
        booted = BOOT.read_text().strip() if BOOT.is_file() else ''
        key = hashlib.sha256(json.dumps([plan, booted], sort_keys=True).encode()).hexdigest()
        lines = self._journal.read_text().splitlines(keepends=True) if self._journal.is_file() else []
        if lines[:1] != [f'{key}\n']:
            self._clear()
            write_text(self._journal, f'{key}\n')
            lines = []
        whole = [json.loads(line) for line in lines[1:] if line.endswith('\n')]  # the last may be half a line
        self._finished = {name: Counts.from_dict(counts) for name, counts in whole}

    def _clear(self) -> None:
        (self.folder / 'dataset.yaml').unlink(missing_ok=True)  # first: without it nothing trains on what is left
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in self._keep:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def finished(self, name: str) -> Counts | None:
        """The counts of an image all of whose tiles are written."""
        return self._finished.get(name)

    def finish(self, name: str, counts: Counts) -> None:
        """Notes that all tiles of an image are written."""
        with open(self._journal, 'a', encoding='utf-8') as file:
            file.write(json.dumps([name, counts.as_dict()]) + '\n')

    def tile_files(self, split: str, stem: str, suffix: str) -> tuple[Path, Path]:
        """Paths of a tile's image and label."""
        return self.folder / 'img_dir' / split / f'{stem}{suffix}', self.folder / 'ann_dir' / split / f'{stem}.png'

    def publish(self, out: Path, description: Mapping[str, Any], texts: Mapping[str, str]) -> None:
        """Puts the data set in its place.

        Args:
            out: The place: nothing, or an empty folder.
            description: Of ``dataset.yaml``.
            texts: Other files beside it.

        Raises:
            InputError: Something was put there meanwhile, or it cannot be replaced.
        """
        for name, text in texts.items():
            write_text(self.folder / name, text)
        write_text(
            self.folder / 'dataset.yaml',
            yaml.safe_dump(dict(description), sort_keys=False, default_flow_style=None, width=120),
        )
        self._journal.unlink()
        for name in self._keep:
            (self.folder / name).unlink(missing_ok=True)
        if hasattr(os, 'sync'):
            os.sync()  # so that after a power failure there is a whole data set or none
        try:
            os.replace(self.folder, out)
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
            why = 'was not empty any more' if taken else f'cannot be replaced ({error.strerror})'
            raise InputError(f'-o {out} {why}; the data set is whole, in {self.folder}') from error
        flush_folder(out.absolute().parent)


def write_image(file: Path, pixels: NDArray[np.uint8], quality: int) -> None:
    """Writes (H, W, 1 or 3) as what the name ends in."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if file.suffix == '.png':
        _save(file, picture, 'PNG', compress_level=3)  # of aerial tiles no larger than at 6, and faster
    else:
        _save(file, picture, 'JPEG', quality=quality)


def write_bands(file: Path, pixels: NDArray[Any], known: NDArray[np.bool_] | None, nodata: Any) -> None:
    """Writes (H, W, B) as a TIFF with these values.

    Args:
        file: Its path.
        pixels: As the image has them.
        known: (H, W): which pixels hold data; None means all. It becomes the file's mask.
        nodata: The value of missing ones in the image, or None.
    """
    height, width, count = pixels.shape
    profile = dict(driver='GTiff', dtype=pixels.dtype, count=count, height=height, width=width, compress='deflate')
    # GDAL itself does not report a full disk
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.MemoryFile() as memory:
        with memory.open(**profile, nodata=nodata, photometric='minisblack') as target:
            target.write(np.moveaxis(pixels, -1, 0))
            if known is not None:
                target.write_mask(known)
        content = bytes(memory.getbuffer())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def write_label(file: Path, label: NDArray[np.uint8]) -> None:
    """Writes (H, W) of class numbers."""
    _save(file, Image.fromarray(label), 'PNG')


def _save(file: Path, picture: Image.Image, form: str, **settings: Any) -> None:
    content = io.BytesIO()  # Pillow itself does not say that a disk is full
    picture.save(content, form, **settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.getvalue())
