"""Split of scenes into training and validation."""

import random
import re
from collections.abc import Mapping, Sequence

from ...errors import InputError


def split_scenes(pixels: Mapping[str, int], val: Sequence[str], seed: int = 0) -> set[str]:
    """Returns the scenes to validate on: at least one, and at least one is left to train on.

    Args:
        pixels: Number of pixels by scene.
        val: One number between 0 and 1, the share of all pixels that the drawn scenes approximate; or names of scenes
            and regular expressions that match whole names.
        seed: Seed of the draw.

    Raises:
        InputError: There is only one scene, a name or expression matches none, or no scene is left to train on.
    """
    if len(pixels) < 2:
        raise InputError(
            f'{", ".join(pixels)} is the only scene, and tiles of one scene look alike: to validate on some of them '
            'would flatter every model. Bring a second scene, or cut this one into parts'
        )
    share = _share(val)
    chosen = _drawn(pixels, share, seed) if share is not None else _named(pixels, val)
    if len(chosen) == len(pixels):
        raise InputError(f'--val {" ".join(val)} takes all {len(pixels)} scenes; expected one at least to train on')
    return chosen


def _share(val: Sequence[str]) -> float | None:
    try:
        share = float(val[0]) if len(val) == 1 else None
    except ValueError:
        return None
    if share is not None and not 0 < share < 1:
        return None  # a scene may be called 3
    return share


def _drawn(pixels: Mapping[str, int], share: float, seed: int) -> set[str]:
    order = sorted(pixels)
    random.Random(seed).shuffle(order)
    goal, taken = share * sum(pixels.values()), 0
    chosen: set[str] = set()
    for scene in order[:-1]:
        if not chosen or abs(taken + pixels[scene] - goal) < abs(taken - goal):
            chosen.add(scene)
            taken += pixels[scene]
    return chosen


def _named(pixels: Mapping[str, int], val: Sequence[str]) -> set[str]:
    chosen: set[str] = set()
    for name in val:
        try:
            found = {name} & set(pixels) or {scene for scene in pixels if re.fullmatch(name, scene)}
        except re.error as error:
            raise InputError(f'--val {name!r} is no regular expression: {error}') from error
        if not found:
            scenes = sorted(pixels)
            more = f' and {len(scenes) - 8} more' if len(scenes) > 8 else ''
            raise InputError(
                f'--val {name!r} matches no scene; expected a share between 0 and 1, or some of '
                f'{", ".join(scenes[:8])}{more}'
            )
        chosen |= found
    return chosen
