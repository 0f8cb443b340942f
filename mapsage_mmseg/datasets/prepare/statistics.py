"""How many pixels of which class a data set has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset_yaml import IGNORE
from ..folder import SPLITS


@dataclass
class Counts:
    """Of tiles, and of pixels in those that were kept.

    Attributes:
        pixels: Per class, (C,).
        ignored: Pixels that count nowhere.
        tiles: That were kept.
        dropped: Tiles that had too many ignored pixels.
    """

    pixels: NDArray[np.int64]
    ignored: int = 0
    tiles: int = 0
    dropped: int = 0

    @classmethod
    def none(cls, classes: int) -> 'Counts':
        """Of nothing."""
        return cls(np.zeros(classes, np.int64))

    def take(self, label: NDArray[np.uint8]) -> None:
        """Counts a tile that is kept, (H, W) of class numbers and 255."""
        counted = np.bincount(label.ravel(), minlength=IGNORE + 1)
        self.pixels += counted[: len(self.pixels)]
        self.ignored += int(counted[IGNORE])
        self.tiles += 1

    def add(self, other: 'Counts') -> None:
        """Takes another's counts in."""
        self.pixels += other.pixels
        self.ignored += other.ignored
        self.tiles += other.tiles
        self.dropped += other.dropped

    def shares(self) -> NDArray[np.float64]:
        """Of the labelled pixels, per class; zeros where none is labelled."""
        return self.pixels / max(1, int(self.pixels.sum()))

    def ignored_share(self) -> float:
        """Of all pixels."""
        return self.ignored / max(1, self.ignored + int(self.pixels.sum()))

    def as_dict(self) -> dict[str, Any]:
        """The same, for a JSON file."""
        return dict(pixels=self.pixels.tolist(), ignored=self.ignored, tiles=self.tiles, dropped=self.dropped)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> 'Counts':
        """What :meth:`as_dict` gave."""
        return cls(np.array(content['pixels'], np.int64), content['ignored'], content['tiles'], content['dropped'])


@dataclass
class Statistics:
    """Of a data set.

    Attributes:
        classes: Their names.
        max_ignored: Share of ignored pixels above which a tile was dropped.
        splits: Counts of ``'train'`` and ``'val'``.
        scenes: Split, number of images and counts by scene.
    """

    classes: Sequence[str]
    max_ignored: float
    splits: dict[str, Counts] = field(init=False)
    scenes: dict[str, tuple[str, int, Counts]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.splits = {split: Counts.none(len(self.classes)) for split in SPLITS}

    def add(self, split: str, scene: str, counts: Counts) -> None:
        """Takes in one image of a scene."""
        self.splits[split].add(counts)
        _, images, whole = self.scenes.setdefault(scene, (split, 0, Counts.none(len(self.classes))))
        whole.add(counts)
        self.scenes[scene] = split, images + 1, whole

    def absent(self) -> list[str]:
        """Classes without a pixel, in words."""
        return [
            f'{split}: no pixel of class {name}'
            for split, counts in self.splits.items()
            for name in np.array(self.classes)[counts.pixels == 0]
        ]

    def text(self) -> str:
        """Tables in Markdown."""
        splits = list(self.splits)
        counts = [self.splits[split] for split in splits]
        scenes = [sum(where == split for where, _, _ in self.scenes.values()) for split in splits]
        rows = [
            ('scenes', *map(str, scenes)),
            ('tiles', *(str(each.tiles) for each in counts)),
            (f'tiles dropped, above {self.max_ignored:.0%} ignored', *(str(each.dropped) for each in counts)),
            ('pixels', *(f'{each.ignored + int(each.pixels.sum()):,}' for each in counts)),
            ('ignored pixels', *(f'{each.ignored_share():.2%}' for each in counts)),
        ]
        shares = [
            (name, *(f'{each.shares()[number]:.2%}' for each in counts)) for number, name in enumerate(self.classes)
        ]
        of_scenes = [
            (scene, split, str(images), str(each.tiles), str(each.dropped), f'{each.ignored_share():.2%}')
            for scene, (split, images, each) in sorted(self.scenes.items())
        ]
        return '\n\n'.join(
            [
                _table(('', *splits), rows),
                'Share of the labelled pixels:',
                _table(('class', *splits), shares),
                _table(('scene', 'split', 'images', 'tiles', 'dropped', 'ignored pixels'), of_scenes),
            ]
        )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (cell.replace('|', '/') for cell in cells)
        padded = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        return ' | '.join([first.ljust(widths[0]), *padded])

    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    return '\n'.join(f'| {text} |' for text in [line(head), ' | '.join(rule), *map(line, rows)])
