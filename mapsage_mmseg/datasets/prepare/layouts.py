"""Published data sets that lie where a user unpacked them: which mask belongs to which image, and what it means."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from .colours import ClassTable
from .pairing import Pair


@dataclass(frozen=True)
class Published:
    """What was found.

    Attributes:
        pairs: Images with a mask, sorted by name.
        val: Names of the scenes that its publisher validates on; empty where that is left open.
        left_out: A sentence on images that have no part in it, or an empty one.
    """

    pairs: list[Pair]
    val: tuple[str, ...] = ()
    left_out: str = ''


@dataclass(frozen=True)
class Layout:
    """A data set as it is unpacked.

    Attributes:
        table: Classes, and the colours or numbers of its masks.
        find: Finds its images in a folder; raises InputError where they are not there.
    """

    table: ClassTable
    find: Callable[[Path], Published]


def _deepglobe(folder: Path) -> Published:
    """``<id>_sat.jpg`` beside ``<id>_mask.png``; validation and test images have no masks."""
    images = sorted(folder.rglob('*_sat.jpg'))
    pairs = []
    for image in images:
        name = image.name.removesuffix('_sat.jpg')
        mask = image.with_name(f'{name}_mask.png')
        if mask.is_file():
            pairs.append(Pair(name, image, mask, name))
    if not pairs:
        raise InputError(f'{folder} holds no <id>_sat.jpg with <id>_mask.png beside it; expected those of DeepGlobe')
    bare = len(images) - len(pairs)
    return Published(pairs, left_out=f'{bare} images have no mask and are left out.' if bare else '')


def _openearthmap(folder: Path) -> Published:
    """``<region>/images/<name>.tif`` and ``<region>/labels/<name>.tif``, in ``train.txt`` or ``val.txt``."""
    listed = {split: _names(folder / f'{split}.txt') for split in ('train', 'val')}
    labels = {file.name: file for file in folder.glob('*/labels/*.tif')}
    images = {file.name: file for file in folder.glob('*/images/*.tif')}
    wanted = [*listed['train'], *listed['val']]
    whole = sorted(set(wanted) & set(labels) & set(images))
    if not whole:
        raise InputError(f'{folder} holds no <region>/images/*.tif of its lists with a label; expected OpenEarthMap')
    pairs = [Pair(Path(name).stem, images[name], labels[name], Path(name).stem) for name in whole]
    val = tuple(Path(name).stem for name in whole if name in set(listed['val']))
    if not 0 < len(val) < len(whole):
        raise InputError(
            f'{folder}: all {len(whole)} images found are of one list; expected some of train.txt and val.txt'
        )
    absent = len(set(wanted)) - len(whole)
    told = (
        f'{absent} listed images are not there and are left out (those of xBD come from elsewhere).' if absent else ''
    )
    return Published(pairs, val, told)


def _names(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError as error:
        raise InputError(f'{file}: {error.strerror}; expected the list that comes with OpenEarthMap') from error


LAYOUTS = {
    'deepglobe': Layout(  # Demir et al. 2018, arXiv:1805.06561
        ClassTable(
            classes=('urban', 'agriculture', 'rangeland', 'forest', 'water', 'barren'),
            palette=((0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255)),
            ignored_colours=((0, 0, 0),),
            threshold=128,
        ),
        _deepglobe,
    ),
    'openearthmap': Layout(  # Xia et al. 2023, arXiv:2210.10732
        ClassTable(
            classes=('bareland', 'rangeland', 'developed', 'road', 'tree', 'water', 'agriculture', 'building'),
            palette=(
                (128, 0, 0),
                (0, 255, 36),
                (148, 148, 148),
                (255, 255, 255),
                (34, 97, 38),
                (0, 69, 255),
                (75, 181, 73),
                (222, 31, 7),
            ),
            ids=tuple(range(1, 9)),
            ignored_ids=(0,),
        ),
        _openearthmap,
    ),
}
