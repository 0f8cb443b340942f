"""What the arguments of the data tool mean: which are refused, and which scenes they name."""

import argparse
import math
from collections.abc import Collection, Sequence
from pathlib import Path

from ..datasets.dataset_yaml import MOST_BANDS
from ..datasets.prepare import LAYOUTS, ClassTable, Pair, find_pairs, find_unlabelled, read_classes
from ..datasets.prepare.remarks import Note
from ..errors import InputError

CLASS_FILES = ('classes.yaml', 'classes.yml', 'classes.json')
FIXED = ('masks', 'image_suffix', 'mask_suffix', 'classes', 'scene')  # by a published layout
SHARE = ['0.2']  # of the pixels to validate on, where nobody says otherwise


def check(arguments: argparse.Namespace) -> None:
    """Refuses numbers that cannot be meant.

    Raises:
        InputError: Names the option.
    """
    bounds = dict(size=(2, None), stride=(1, arguments.size), overlap=(0, arguments.size - 1), quality=(1, 100))
    for name, (low, high) in bounds.items():
        value = getattr(arguments, name)
        if value is not None and (value < low or high is not None and value > high):
            up_to = f' to {high}' if high is not None else ''
            raise InputError(f'--{name} {value} must be a whole number from {low}{up_to}')
    if not 0 <= arguments.max_ignored < 1:
        raise InputError(f'--max-ignored {arguments.max_ignored} must be a share from 0, below 1')
    if arguments.range and not -math.inf < arguments.range[0] < arguments.range[1] < math.inf:
        raise InputError('--range {:g} {:g} must be two finite numbers, the lower one first'.format(*arguments.range))
    keeps, bands = arguments.format == 'tif', ' '.join(map(str, arguments.bands))
    if min(arguments.bands, default=1) < 1 or len(arguments.bands) > MOST_BANDS:
        raise InputError(f'--bands {bands} must be 1 to {MOST_BANDS} numbers, each from 1')
    if not keeps and len(arguments.bands) not in (0, 1, 3):
        raise InputError(f'--bands {bands} must be one number or three; --format tif takes any')
    if keeps and arguments.range:
        raise InputError('--range brings values to 8 bits, and --format tif keeps them; leave one out')


def scenes_of(arguments: argparse.Namespace, note: Note) -> tuple[list[Pair], ClassTable, Sequence[str]]:
    """The pairs, what their masks mean, and which scenes to validate on; ``note`` is told what a user should know.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.prepare.find_pairs`,
            :func:`~mapsage_mmseg.datasets.prepare.find_unlabelled` and
            :func:`~mapsage_mmseg.datasets.prepare.read_classes`, or an option contradicts ``--layout``.
    """
    pairs, table, val = _labelled(arguments, note)
    if arguments.unlabelled:
        folder = Path(arguments.unlabelled).expanduser()
        pairs += find_unlabelled(folder, arguments.image_suffix, arguments.mask_suffix, arguments.scene, pairs, note)
    return pairs, table, val


def check_apart(pairs: Sequence[Pair], validated: Collection[str]) -> None:
    """Refuses an image without a label of a scene that is validated on: its student would have seen that scene.

    Raises:
        InputError: Names the first one.
    """
    for pair in pairs:
        if pair.mask is None and pair.scene in validated:
            raise InputError(
                f'--unlabelled: {pair.image} is of the scene {pair.scene}, which is validated on, so that the score '
                'would tell nothing of scenes that were never seen; leave it out, or choose other scenes with --val'
            )


def _labelled(arguments: argparse.Namespace, note: Note) -> tuple[list[Pair], ClassTable, Sequence[str]]:
    scenes = Path(arguments.scenes).expanduser()
    if arguments.layout is None:
        table = read_classes(class_file(arguments.classes, scenes))
        masks = Path(arguments.masks).expanduser() if arguments.masks else None
        pairs = find_pairs(scenes, masks, arguments.image_suffix, arguments.mask_suffix, arguments.scene, note)
        return pairs, table, arguments.val or SHARE
    for name in FIXED:
        if getattr(arguments, name):
            raise InputError(f'--{name.replace("_", "-")} and --layout {arguments.layout} say the same; leave one out')
    layout = LAYOUTS[arguments.layout]
    found = layout.find(scenes)
    if found.left_out:
        note(found.left_out)
    return found.pairs, layout.table, arguments.val or found.val or SHARE


def class_file(named: str | None, scenes: Path) -> Path:
    """The file with the classes.

    Raises:
        InputError: None is named, and none lies beside the scenes.
    """
    if named is not None:
        file = Path(named).expanduser()
        if not file.exists():
            raise InputError(f'--classes {file} does not exist; expected a file with at least "classes: [water, land]"')
        return file
    for name in CLASS_FILES:
        if (scenes / name).is_file():
            return scenes / name
    raise InputError(
        f'--classes FILE is missing, and {scenes} holds no {" or ".join(CLASS_FILES)}; it needs at least the line '
        '"classes: [water, land]", and "palette: [[0, 0, 255], [0, 128, 0]]" where masks are in colours'
    )
