"""Pixels per class and band statistics of a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..tiles.dataset_yaml import IGNORE
from ..tiles.files import SPLITS, UNLABELLED


@dataclass
class Counts:
    """Counts of tiles, and of pixels in the tiles that were kept.

    Attributes:
        pixels: Pixels per class, (C,).
        ignored: Ignored pixels.
        tiles: Tiles that were kept.
        dropped: Tiles that had too many ignored pixels.
        veil: Number of a band that was taken for transparency (0 for none), the pixels that it hid, and all pixels of
            the tiles with such a band, including dropped ones.
        values: By band the number of values, their sum and the sum of their squares, (3, B); None if not measured.
    """

    pixels: NDArray[np.int64]
    ignored: int = 0
    tiles: int = 0
    dropped: int = 0
    veil: tuple[int, int, int] = (0, 0, 0)
    values: NDArray[np.float64] | None = None

    @classmethod
    def none(cls, classes: int) -> 'Counts':
        """Creates counts of zero."""
        return cls(np.zeros(classes, np.int64))

    def take(self, label: NDArray[np.uint8]) -> None:
        """Adds a tile that is kept, (H, W) of class numbers and 255."""
        counted = np.bincount(label.ravel(), minlength=IGNORE + 1)
        self.pixels += counted[: len(self.pixels)]
        self.ignored += int(counted[IGNORE])
        self.tiles += 1

    def hide(self, band: int, valid: NDArray[np.bool_]) -> None:
        """Adds the pixels of a tile, kept or not, that a transparency band hides: those not ``valid`` (H, W)."""
        _, hidden, looked_at = self.veil
        self.veil = band, hidden + int((~valid).sum()), looked_at + valid.size

    def measure(self, pixels: NDArray[Any], missing: NDArray[np.bool_] | None) -> None:
        """Adds the values (H, W, B) of a tile's image, except those that are ``missing`` (H, W, B)."""
        values = pixels.astype(np.float64)
        known = np.ones(values.shape, bool) if missing is None else ~missing
        values[~known] = 0
        found = np.stack([known.sum((0, 1)), values.sum((0, 1)), (values * values).sum((0, 1))])
        self.values = found if self.values is None else self.values + found

    def add(self, other: 'Counts') -> None:
        """Adds other counts."""
        self.pixels += other.pixels
        self.ignored += other.ignored
        self.tiles += other.tiles
        self.dropped += other.dropped
        (band, *mine), (its_band, *its) = self.veil, other.veil
        self.veil = max(band, its_band), mine[0] + its[0], mine[1] + its[1]
        if other.values is not None:
            self.values = other.values if self.values is None else self.values + other.values

    def shares(self) -> NDArray[np.float64]:
        """Returns the share of the labelled pixels per class; zeros if no pixel is labelled."""
        return self.pixels / max(1, int(self.pixels.sum()))

    def ignored_share(self) -> float:
        """Returns the share of ignored pixels in all pixels."""
        return self.ignored / max(1, self.ignored + int(self.pixels.sum()))

    def as_dict(self) -> dict[str, Any]:
        """Returns the counts for a JSON file."""
        found = dict(pixels=self.pixels.tolist(), ignored=self.ignored, tiles=self.tiles, dropped=self.dropped)
        found['veil'] = list(self.veil)
        return found if self.values is None else dict(found, values=self.values.tolist())

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> 'Counts':
        """Creates counts from the result of :meth:`as_dict`."""
        values = content.get('values')
        return cls(
            np.array(content['pixels'], np.int64),
            content['ignored'],
            content['tiles'],
            content['dropped'],
            tuple(content.get('veil', (0, 0, 0))),  # absent in work that an older version began
            None if values is None else np.array(values),
        )


@dataclass
class Statistics:
    """Statistics of a data set.

    Attributes:
        classes: Class names.
        max_ignored: Share of ignored pixels above which a tile was dropped.
        splits: Counts of ``'train'``, ``'val'`` and, if there are any, ``'unlabelled'`` tiles.
        scenes: Number of images and counts by scene and split.
    """

    classes: Sequence[str]
    max_ignored: float
    splits: dict[str, Counts] = field(init=False)
    scenes: dict[tuple[str, str], tuple[int, Counts]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.splits = {split: Counts.none(len(self.classes)) for split in SPLITS}

    def add(self, split: str, scene: str, counts: Counts) -> None:
        """Adds the counts of one image of a scene."""
        self.splits.setdefault(split, Counts.none(len(self.classes))).add(counts)
        images, whole = self.scenes.get((scene, split), (0, Counts.none(len(self.classes))))
        whole.add(counts)
        self.scenes[scene, split] = images + 1, whole

    def labelled(self) -> dict[str, Counts]:
        """Returns the splits whose tiles have labels."""
        return {split: counts for split, counts in self.splits.items() if split != UNLABELLED}

    def bands(self) -> dict[str, list[Any]]:
        """Returns ``bands``, ``mean`` and ``std`` of the training tiles for ``dataset.yaml``; empty if not measured.

        Raises:
            InputError: All values of a band are the same.
        """
        values = self.splits['train'].values
        if values is None:
            return {}
        count, total, squares = values
        mean = total / np.maximum(count, 1)
        std = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
        if (dead := np.flatnonzero(std <= 1e-6 * abs(mean))).size:
            raise InputError(
                f'band {dead[0] + 1} of {len(std)} has the same value in all training tiles; leave it out with --bands'
            )
        numbers = list(range(1, len(mean) + 1))
        return dict(bands=numbers, **{k: [float(f'{v:.6g}') for v in vs] for k, vs in (('mean', mean), ('std', std))})

    def absent(self) -> list[str]:
        """Returns a line for each class without a pixel."""
        return [
            f'{split}: no pixel of class {name}'
            for split, counts in self.labelled().items()
            for name in np.array(self.classes)[counts.pixels == 0]
        ]

    def veiled(self) -> list[str]:
        """Returns a line if a band was taken for transparency and hid pixels; else an empty list."""
        both = Counts.none(len(self.classes))
        for counts in self.splits.values():
            both.add(counts)
        band, hidden, looked_at = both.veil
        if not hidden:
            return []
        return [
            f'band {band} was taken for transparency and hid {hidden / looked_at:.1%} of the pixels; if it is a '
            'picture, such as near infrared, keep it with --format tif, or choose it among --bands'
        ]

    def text(self) -> str:
        """Returns the statistics as tables in Markdown."""
        splits = list(self.splits)
        counts = [self.splits[split] for split in splits]
        scenes = [sum(where == split for _, where in self.scenes) for split in splits]
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
            for (scene, split), (images, each) in sorted(self.scenes.items())
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
