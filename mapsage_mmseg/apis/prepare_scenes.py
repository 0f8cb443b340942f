"""From the arguments of the data tool to the scenes that they mean."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..datasets.prepare import LAYOUTS, ClassTable, Pair, find_pairs, read_classes
from ..errors import InputError

CLASS_FILES = ('classes.yaml', 'classes.yml', 'classes.json')
FIXED = ('masks', 'image_suffix', 'mask_suffix', 'classes', 'scene')  # by a published layout
SHARE = ['0.2']  # of the pixels to validate on, where nobody says otherwise


def scenes_of(arguments: argparse.Namespace) -> tuple[list[Pair], ClassTable, Sequence[str], str]:
    """The pairs, what their masks mean, which scenes to validate on, and what a user should know of them.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.prepare.find_pairs` and
            :func:`~mapsage_mmseg.datasets.prepare.read_classes`, or an option contradicts ``--layout``.
    """
    scenes = Path(arguments.scenes).expanduser()
    if arguments.layout is None:
        table = read_classes(class_file(arguments.classes, scenes))
        masks = Path(arguments.masks).expanduser() if arguments.masks else None
        pairs = find_pairs(scenes, masks, arguments.image_suffix, arguments.mask_suffix, arguments.scene)
        return pairs, table, arguments.val or SHARE, ''
    for name in FIXED:
        if getattr(arguments, name):
            raise InputError(f'--{name.replace("_", "-")} and --layout {arguments.layout} say the same; leave one out')
    layout = LAYOUTS[arguments.layout]
    found = layout.find(scenes)
    return found.pairs, layout.table, arguments.val or found.val or SHARE, found.left_out


def class_file(named: str | None, scenes: Path) -> Path:
    """The file with the classes.

    Raises:
        InputError: None is named, and none lies beside the scenes.
    """
    if named is not None:
        return Path(named).expanduser()
    for name in CLASS_FILES:
        if (scenes / name).is_file():
            return scenes / name
    raise InputError(
        f'--classes FILE is missing, and {scenes} holds no {" or ".join(CLASS_FILES)}; it needs at least the line '
        '"classes: [water, land]", and "palette: [[0, 0, 255], [0, 128, 0]]" where masks are in colours'
    )
