"""A staging folder that becomes a data set in one step."""

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

BOOT = Path('/proc/sys/kernel/random/boot_id')  # Linux; changes at every boot


def check_target(named: str) -> Path:
    """Checks and returns the path for a data set; links are resolved, because a rename can replace only a real folder.

    Raises:
        InputError: The path is not an empty folder, is a file system of its own, or cannot be created.
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
        tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=parent).cleanup()  # permission bits are not enough
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, or an unknown ~user
        why = getattr(error, 'strerror', None) or error
        raise InputError(f'-o {named} cannot be made: {why}; name a folder elsewhere') from error
    return out


def staging_folder(out: Path) -> Path:
    """Returns the staging folder of a data set: hidden, beside its final path, and without a ``dataset.yaml``."""
    absolute = out.absolute()
    return absolute.with_name(f'.{absolute.name}{PARTIAL}')


class Staging:
    """A data set that is being written.

    Images that an earlier process finished with the same plan are kept. After a reboot none are: if the power failed,
    the journal may name files that were never written.

    Args:
        folder: From :func:`staging_folder`.
        plan: Everything that determines the output, serialisable as JSON.
        keep: Names in the folder that must not be removed.
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
        whole = [json.loads(line) for line in lines[1:] if line.endswith('\n')]  # the last may be incomplete
        self._finished = {name: Counts.from_dict(counts) for name, counts in whole}

    def _clear(self) -> None:
        (self.folder / 'dataset.yaml').unlink(missing_ok=True)  # first, so that no run trains on a partial data set
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in self._keep:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def finished(self, name: str) -> Counts | None:
        """Returns the counts of an image if all its tiles are written, else None."""
        return self._finished.get(name)

    def finish(self, name: str, counts: Counts) -> None:
        """Records that all tiles of an image are written."""
        with open(self._journal, 'a', encoding='utf-8') as file:
            file.write(json.dumps([name, counts.as_dict()]) + '\n')

    def tile_files(self, split: str, stem: str, suffix: str) -> tuple[Path, Path]:
        """Returns the paths of a tile's image and label."""
        return self.folder / 'img_dir' / split / f'{stem}{suffix}', self.folder / 'ann_dir' / split / f'{stem}.png'

    def publish(self, out: Path, description: Mapping[str, Any], texts: Mapping[str, str]) -> None:
        """Moves the data set to its final path.

        Args:
            out: The final path, which is free or an empty folder.
            description: Content of ``dataset.yaml``.
            texts: Content of other files beside it, by name.

        Raises:
            InputError: The path is no longer free, or cannot be replaced.
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
            os.sync()  # so that a power failure leaves a complete data set or none
        try:
            os.replace(self.folder, out)
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
            why = 'was not empty any more' if taken else f'cannot be replaced ({error.strerror})'
            raise InputError(f'-o {out} {why}; the data set is whole, in {self.folder}') from error
        flush_folder(out.absolute().parent)


def write_image(file: Path, pixels: NDArray[np.uint8], quality: int) -> None:
    """Writes (H, W, 1 or 3) in the format of the file's suffix, PNG or JPEG."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if file.suffix == '.png':
        _save(file, picture, 'PNG', compress_level=3)  # as small as level 6 for aerial tiles, and faster
    else:
        _save(file, picture, 'JPEG', quality=quality)


def write_bands(file: Path, pixels: NDArray[Any], known: NDArray[np.bool_] | None, nodata: Any) -> None:
    """Writes (H, W, B) as a TIFF with unchanged values.

    Args:
        file: Path of the file.
        pixels: Values of the image.
        known: (H, W): which pixels hold data; None means all. It becomes the file's mask.
        nodata: Nodata value of the image, or None.
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
    """Writes class numbers (H, W) as PNG."""
    _save(file, Image.fromarray(label), 'PNG')


def _save(file: Path, picture: Image.Image, form: str, **settings: Any) -> None:
    content = io.BytesIO()  # Pillow itself does not report a full disk
    picture.save(content, form, **settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.getvalue())
