"""Published data sets whose tiles anybody can reproduce."""

import hashlib
import re
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import InputError
from ...whole_file import whole_file
from .colours import ClassTable
from .pairing import Pair
from .preparing import Cutting

TIMEOUT = 60  # seconds without receiving a byte


@dataclass(frozen=True)
class KnownDataSet:
    """A data set and how its tiles are cut.

    Attributes:
        name: Name in ``dataset.yaml``.
        url: URL of an archive (ZIP), pinned to a commit.
        file: Regular expression for paths in it, with the groups ``scene``, ``kind``, ``part`` and ``suffix``.
        kinds: Values of ``kind`` for images and for masks.
        pairs: Number of pairs.
        image_name: Format of an image's name, with ``scene`` and ``part``.
        scene: Regular expression for ``dataset.yaml``; its group finds the names in ``val``.
        val: The scenes to validate on.
        shrink: By scene, how many pixels along each side become one.
        table: Classes and colours.
        cutting: How tiles are cut.
        credit: Who made it, and its licence.
        sha256: SHA-256 over the SHA-256 digests of images and masks, in the order of their names: archives of one
            commit differ in bytes, their files do not. None skips the check.
    """

    name: str
    url: str
    file: str
    kinds: tuple[str, str]
    pairs: int
    image_name: str
    scene: str
    val: tuple[str, ...]
    shrink: dict[str, int]
    table: ClassTable
    cutting: Cutting
    credit: str
    sha256: str | None = None

    def find(self, folder: Path) -> list[Pair]:
        """Finds the pairs in a folder with the unpacked archive.

        Raises:
            InputError: Pairs are missing, occur twice, or have another SHA-256.
        """
        found: dict[str, dict[str, Path]] = {}
        shrink: dict[str, int] = {}
        for path in sorted(folder.rglob('*')):
            match = re.search(self.file, path.relative_to(folder).as_posix())
            if match and path.is_file():
                name = self.image_name.format(**match.groupdict())
                if other := found.setdefault(name, {}).get(match['kind']):
                    raise InputError(f'{path} and {other} are the same part of {self.name}; expected one archive there')
                found[name][match['kind']] = path
                shrink[name] = self.shrink.get(match['scene'], 1)
        whole = {name: files for name, files in found.items() if len(files) == len(self.kinds)}
        if len(whole) != self.pairs:
            raise InputError(
                f'{folder} holds {len(whole)} pairs of image and mask; expected the {self.pairs} of {self.name}, as '
                f'{self.url} has them'
            )
        scene = re.compile(self.scene)
        image, mask = self.kinds
        digest = hashlib.sha256()
        for name in sorted(whole):
            for kind in self.kinds:
                digest.update(hashlib.sha256(whole[name][kind].read_bytes()).digest())
        if self.sha256 not in (None, digest.hexdigest()):
            raise InputError(
                f'{folder}: its images and masks are not those of {self.url}: SHA-256 {digest.hexdigest()[:16]}..., '
                f'expected {str(self.sha256)[:16]}...'
            )
        return [
            Pair(name, files[image], files[mask], scene.search(f'{name}_')[1], shrink[name])  # type: ignore[index]
            for name, files in sorted(whole.items())
        ]


@contextmanager
def unpacked(known: KnownDataSet, archive: Path | None, beside: Path) -> Iterator[Path]:
    """Provides a folder with the content of the archive.

    Args:
        known: The data set.
        archive: A folder with the unpacked archive, or the ZIP file; None downloads it to ``beside``.
        beside: Folder for the download and the unpacked files, which are removed at the end.

    Raises:
        InputError: The archive is missing, cannot be downloaded, or is not a complete ZIP file.
    """
    if archive is not None and archive.is_dir():
        yield archive
        return
    if archive is not None and not archive.is_file():
        raise InputError(f'--archive {archive}: no such file; expected {known.url}, as ZIP file or unpacked')
    with tempfile.TemporaryDirectory(prefix=f'.{known.name}.', dir=beside) as folder:
        if archive is None:
            archive = Path(folder) / f'{known.name}.zip'
            download(known.url, archive)
        try:
            with zipfile.ZipFile(archive) as content:
                for name in content.namelist():
                    if re.search(known.file, name) and '..' not in PurePosixPath(name).parts:
                        content.extract(name, folder)
        except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
            raise InputError(f'{archive} is no whole ZIP file ({error}); expected {known.url}') from error
        yield Path(folder)


def download(url: str, file: Path) -> None:
    """Downloads a file.

    Raises:
        InputError: The URL cannot be reached.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, whole_file(file) as written:
            shutil.copyfileobj(answer, written, 1 << 20)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, 'reason', error)
        raise InputError(
            f'{url} cannot be reached ({reason}); fetch it elsewhere and name it with --archive'
        ) from error


_COMMIT = 'b36fd266e363806d5c530089018fbf46dfd1befe'
_DUBAI = KnownDataSet(
    name='dubai',
    url=f'https://github.com/nive927/Dubai-Satellite-Imagery-Multiclass-Segmentation/archive/{_COMMIT}.zip',
    file=r'(?:^|/)Tile (?P<scene>\d+)/(?P<kind>images|masks)/image_part_(?P<part>\d+)\.(?P<suffix>jpg|png)$',
    kinds=('images', 'masks'),
    pairs=72,
    image_name='t{scene}_p{part}',
    scene='^(t[0-9]+)_',
    val=('t1', 't8'),
    shrink={'7': 2, '8': 2},  # their images are the largest, up to 2149 x 1479
    table=ClassTable(
        classes=('building', 'land', 'road', 'vegetation', 'water'),
        # The colours found in the masks; the archive's classes.json is not read.
        palette=((60, 16, 152), (132, 41, 246), (110, 193, 228), (254, 221, 58), (226, 169, 41)),
        ignored_colours=((155, 155, 155), (0, 0, 0)),
    ),
    cutting=Cutting(size=256, stride=None, max_ignored=0.5, suffix='.jpg', quality=90),
    credit='Humans in the Loop, Mohammed Bin Rashid Space Center and Roia Foundation; CC0',
    sha256='063689ba985ae1584dd4af5088b73f4a87df6c59d04ef12c17949e0d45c1a6bb',
)
KNOWN = {_DUBAI.name: _DUBAI}
