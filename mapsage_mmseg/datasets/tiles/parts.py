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
    """Compiles the regular expression that finds a tile's scene.

    Raises:
        InputError: It is not a regular expression, or has no group.
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
    """Returns the tiles to tune on: the last scenes in sorted order, as close as possible to a fifth of all tiles.

    Scenes stay whole, because neighbouring tiles look alike. At least one scene is tuned on, and one is left to fit.

    Args:
        names: Names of the tiles.
        scene: Regular expression, searched for in a name, whose first group names the tile's scene. None makes each
            tile its own scene.
        where: The folder, for error messages.

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
    """Returns the names that share no scene with a tile to tune on; all names if each tile is its own scene.

    Args:
        names: Names of tiles; some may match no scene.
        tuned: Names of the tiles to tune on.
        scene, where: As for :func:`tuning_names`.
    """
    if scene is None:
        return list(names)
    pattern = scene_pattern(scene, where)
    held_out = {match[1] for name in tuned if (match := pattern.search(name))}
    return [name for name in names if not ((match := pattern.search(name)) and match[1] in held_out)]


def in_part(index: int, part: str | None) -> bool:
    """Returns whether a drawn scene belongs to a part.

    Every fifth scene is tuned on, for any number of scenes. A teacher with more scenes than its student therefore never
    fits a scene that the student is tuned on.
    """
    return part is None or (index % 5 == 4) == (part == 'tune')
