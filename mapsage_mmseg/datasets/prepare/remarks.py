"""Warnings about files that are skipped, or used although they are unusual."""

from collections.abc import Callable, Sequence
from pathlib import Path

Note = Callable[[str], None]  # takes one line
SMALL = 32  # pixels of a side: the last stride of most backbones, so that a smaller tile has less than one cell there


def in_short(names: Sequence[object], most: int = 12) -> str:
    """Joins the names; a long list ends after ``most`` names with the number of the others."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(str, names[:most])) + more


def remark(note: Note, turned: Sequence[Path], small: Sequence[Path]) -> None:
    """Warns about images that viewers show turned or mirrored, and about images that are too small to be useful."""
    if turned:
        note(
            f'warning: {in_short(turned, 1)}: an EXIF tag has viewers turn or mirror it; pixels are taken as they are '
            'stored, so its mask must lie likewise'
        )
    if small:
        note(f'warning: {in_short(small, 1)}: less than {SMALL} pixels a side, and tiles so small are of little use')
