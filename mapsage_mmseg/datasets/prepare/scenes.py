"""The scenes that a user names, their masks and classes, and the validation scenes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ...errors import InputError
from . import LAYOUTS, ClassTable, Pair, find_pairs, find_unlabelled, read_classes
from .remarks import Note

CLASS_FILES = ('classes.yaml', 'classes.yml', 'classes.json')
FIXED = ('masks', 'image_suffix', 'mask_suffix', 'classes', 'scene')  # options that a published layout determines
SHARE = ['0.2']  # default share of the pixels to validate on


@dataclass(frozen=True)
class SceneOptions:
    """Options for finding scenes and their masks.

    Attributes:
        layout: Name of a published data set, if the scenes are one as unpacked.
        masks: Folder of masks; None if masks lie in the folder of scenes.
        image_suffix, mask_suffix: How stems of images and masks end; None infers that of masks.
        unlabelled: Folder of images without masks.
        classes: File of classes; None for one in the folder of scenes.
        val: A share, or names or regular expressions of scenes.
        scene: Regular expression that finds a tile's scene in its name.
    """

    layout: str | None = None
    masks: str | None = None
    image_suffix: str = ''
    mask_suffix: str | None = None
    unlabelled: str | None = None
    classes: str | None = None
    val: Sequence[str] | None = None
    scene: str | None = None

    @classmethod
    def of(cls, arguments: Any) -> 'SceneOptions':
        """Creates options from parsed arguments."""
        return cls(**{field.name: getattr(arguments, field.name) for field in fields(cls)})


def scenes_of(named: str, options: SceneOptions, note: Note) -> tuple[list[Pair], ClassTable, Sequence[str]]:
    """Finds the pairs, the meaning of their masks, and the scenes to validate on; ``note`` is called with warnings.

    Raises:
        InputError: As :func:`~mapsage_mmseg.datasets.prepare.find_pairs`,
            :func:`~mapsage_mmseg.datasets.prepare.find_unlabelled` and
            :func:`~mapsage_mmseg.datasets.prepare.read_classes`, or an option contradicts ``--layout``.
    """
    pairs, table, val = _labelled(named, options, note)
    if options.unlabelled:
        folder = Path(options.unlabelled).expanduser()
        pairs += find_unlabelled(folder, options.image_suffix, options.mask_suffix, options.scene, pairs, note)
    return pairs, table, val


def check_apart(pairs: Sequence[Pair], validated: Collection[str]) -> None:
    """Refuses unlabelled images of scenes that are validated on: the student would have seen those scenes.

    Raises:
        InputError: There is such an image; the message names the first one.
    """
    for pair in pairs:
        if pair.mask is None and pair.scene in validated:
            raise InputError(
                f'--unlabelled: {pair.image} is of the scene {pair.scene}, which is validated on, so that the score '
                'would tell nothing of scenes that were never seen; leave it out, or choose other scenes with --val'
            )


def _labelled(named: str, options: SceneOptions, note: Note) -> tuple[list[Pair], ClassTable, Sequence[str]]:
    scenes = Path(named).expanduser()
    if options.layout is None:
        table = read_classes(class_file(options.classes, scenes))
        masks = Path(options.masks).expanduser() if options.masks else None
        pairs = find_pairs(scenes, masks, options.image_suffix, options.mask_suffix, options.scene, note)
        return pairs, table, options.val or SHARE
    for name in FIXED:
        if getattr(options, name):
            raise InputError(f'--{name.replace("_", "-")} and --layout {options.layout} say the same; leave one out')
    layout = LAYOUTS[options.layout]
    found = layout.find(scenes)
    if found.left_out:
        note(found.left_out)
    return found.pairs, layout.table, options.val or found.val or SHARE


def class_file(named: str | None, scenes: Path) -> Path:
    """Returns the file with the classes.

    Raises:
        InputError: The named file does not exist; or none is named, and the folder of scenes has none.
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
