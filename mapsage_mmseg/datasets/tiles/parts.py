"""Two parts of the training split, one to fit and one to tune on, so that tuning never sees a validation tile."""

import re
from collections.abc import Iterable, Sequence

from ...errors import InputError

PARTS = ('fit', 'tune')
SHARE = 0.2  # of the training tiles, to tune on


def check_part(part: str | None, split: str, where: str) -> None:
    """Refuses a part that does not exist, or a part of the validation split."""
    if part is not None and part not in PARTS:
        raise InputError(f'{where}: part={part!r}; expected {" or ".join(map(repr, PARTS))}, or None for all')
    if part is not None and split != 'train':
        raise InputError(f"{where}: part={part!r} divides the training split; expected split='train', not {split!r}")


def scene_pattern(scene: str, where: str) -> re.Pattern[str]:
    """Compiles what names a tile's scene.

    Raises:
        InputError: It is no regular expression, or has no group.
    """
    try:
        pattern = re.compile(scene)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f'{where}: scene={_short(scene)} is no regular expression: {error}') from error
    if not pattern.groups:
        raise InputError(
            f"{where}: scene={_short(scene)} has no group; its first one names the scene, as in '^(t[0-9]+)_'"
        )
    return pattern


def _short(scene: object) -> str:
    return repr(scene if len(str(scene)) < 80 else f'{str(scene)[:80]}...')


def tuning_names(names: Sequence[str], scene: str | None, where: str) -> set[str]:
    """The tiles to tune on: the last scenes in sorted order that come nearest to a fifth of all tiles.

    Scenes stay whole, for neighbouring tiles look alike. One scene at least is tuned on, and one is left to fit.

    Args:
        names: Of the tiles.
        scene: Regular expression, searched for in a name, whose first group names the tile's scene; where None, each
            tile is a scene of its own.
        where: What to name in an error: the folder.

    Raises:
        InputError: A name does not match, or all tiles are of one scene.
    """
    scenes: dict[str, list[str]] = {}
    pattern = None if scene is None else scene_pattern(scene, where)
    for name in names:
        match = pattern.search(name) if pattern else None
        if pattern and (match is None or match[1] is None):
            raise InputError(
                f'{where}: scene={_short(scene)} finds no scene in the name {name}; expected one in every name'
            )
        scenes.setdefault(match[1] if match else name, []).append(name)
    if len(scenes) < 2:
        kind = 'tile' if scene is None else f'scene ({_short(scene)})'
        raise InputError(f'{where} holds a single {kind}; tuning needs two at least, one of them to tune on')
    goal, tuned = SHARE * len(names), list[str]()
    for number, key in enumerate(sorted(scenes, reverse=True)[:-1]):
        more = tuned + scenes[key]
        if number and abs(len(more) - goal) >= abs(len(tuned) - goal):
            break
        tuned = more
    return set(tuned)


def of_other_scenes(names: Sequence[str], tuned: Iterable[str], scene: str | None, where: str) -> list[str]:
    """Of names those whose scene no tile has that is tuned on; all of them where each tile is a scene of its own.

    Args:
        names: Of tiles, also such that are of no scene.
        tuned: Names of the tiles to tune on.
        scene, where: As for :func:`tuning_names`.
    """
    if scene is None:
        return list(names)
    pattern = scene_pattern(scene, where)
    held_out = {match[1] for name in tuned if (match := pattern.search(name))}
    return [name for name in names if not ((match := pattern.search(name)) and match[1] in held_out)]


def in_part(index: int, part: str | None) -> bool:
    """Whether a drawn scene belongs to a part: every fifth is tuned on, whatever the number of scenes, so that a
    teacher of more scenes than its student never fits what the student is tuned on."""
    return part is None or (index % 5 == 4) == (part == 'tune')
