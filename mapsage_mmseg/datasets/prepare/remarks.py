"""Warnings about files that are skipped, or used in spite of something odd."""

from collections.abc import Callable, Sequence
from pathlib import Path

Note = Callable[[str], None]  # takes one line
SMALL = 32  # pixels of a side, the last stage's stride in most backbones: below, a tile is less than one of its cells


def in_short(names: Sequence[object], most: int = 12) -> str:
    """The names, or the first of them and how many there are more."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(str, names[:most])) + more


def remark(note: Note, turned: Sequence[Path], small: Sequence[Path]) -> None:
    """Says which images are read otherwise than viewers show them, and which are too small to be of use."""
    if turned:
        note(
            f'warning: {in_short(turned, 1)}: an EXIF tag has viewers turn or mirror it; pixels are taken as they are '
            'stored, so its mask must lie likewise'
        )
    if small:
        note(f'warning: {in_short(small, 1)}: less than {SMALL} pixels a side, and tiles so small are of little use')
