"""Layouts of published data sets, as a user unpacks them: pairs of image and mask, and the meaning of masks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from .colours import ClassTable
from .pairing import Pair


@dataclass(frozen=True)
class Published:
    """Images of a published data set that were found in a folder.

    Attributes:
        pairs: Images with a mask, sorted by name.
        val: Names of the validation scenes of its publisher; empty if there are none.
        left_out: A sentence about images that are left out, or an empty string.
    """

    pairs: list[Pair]
    val: tuple[str, ...] = ()
    left_out: str = ''


@dataclass(frozen=True)
class Layout:
    """Layout of an unpacked data set.

    Attributes:
        table: Classes, and the colours or numbers of its masks.
        find: Finds its images in a folder; raises InputError if they are missing.
    """

    table: ClassTable
    find: Callable[[Path], Published]


def _deepglobe(folder: Path) -> Published:
    """Finds ``<id>_sat.jpg`` with ``<id>_mask.png`` beside it; validation and test images have no masks."""
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
    """Finds ``<region>/images/<name>.tif`` and ``<region>/labels/<name>.tif`` of ``train.txt`` and ``val.txt``."""
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
