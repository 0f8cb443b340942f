"""A folder of tiles from scenes, with contact sheet and statistics."""

import errno
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..datasets.prepare import ClassTable, Cutting, Pair, prepare, split_scenes
from ..datasets.prepare.preparing import describe, look_at, split_of
from ..datasets.prepare.remarks import in_short
from ..datasets.prepare.scenes import check_apart
from ..datasets.prepare.statistics import Statistics
from ..datasets.prepare.tiling import windows
from ..datasets.prepare.writing import Staging, staging_folder
from ..errors import RunStopped
from ..folder_lock import NAME as LOCK
from ..folder_lock import RunLock
from ..imagery import Bands, read_image, read_mask
from ..visualization.contact_sheet import contact_sheet

SHEET, STATISTICS = 'contact_sheet.png', 'statistics.md'
SHOWN = {'train': 6, 'val': 6}  # tiles of each split in the contact sheet
FULL = (errno.ENOSPC, errno.EDQUOT)


def cut(
    out: Path,
    command: str,
    pairs: Sequence[Pair],
    table: ClassTable,
    cutting: Cutting,
    val: tuple[Sequence[str], int],
    name: str,
    scene: str,
) -> None:
    """Cuts scenes into the tiles that ``--data-root`` takes, counts their pixels, draws some, and publishes the folder.

    Args:
        out: The new folder.
        command: The command line, for the file of statistics.
        pairs: Scenes and their masks.
        table: The meaning of mask values.
        cutting: How tiles are cut.
        val: A share or the names of the scenes to validate on, and the seed of the random split.
        name: Name of the data set.
        scene: Expression that finds a tile's scene in its name.
    """
    sizes = look_at(pairs, table, cutting, say)
    pixels: dict[str, int] = {}
    for pair in (pair for pair in pairs if pair.mask is not None):
        height, width = sizes[pair.name]
        pixels[pair.scene] = pixels.get(pair.scene, 0) + height * width
    validated = split_scenes(pixels, *val)
    check_apart(pairs, validated)
    splits = {each: 'val' if each in validated else 'train' for each in pixels}
    total = {pair.name: sum(1 for _ in windows(*sizes[pair.name], cutting.size, cutting.stride)) for pair in pairs}
    description = describe(name, table, cutting, scene)
    unlabelled = sum(pair.mask is None for pair in pairs)
    besides = f' and {unlabelled} without a label' if unlabelled else ''
    say(
        f'{len(pairs) - unlabelled} images of {len(pixels)} scenes{besides}, {sum(total.values())} windows; validated '
        f'on {in_short(sorted(validated))}'
    )
    with locked(staging_folder(out)):
        staging = Staging(staging_folder(out), plan(pairs, sizes, table, splits, cutting, description), keep=(LOCK,))
        finished = sum(staging.finished(pair.name) is not None for pair in pairs)
        if finished:
            say(f'{finished} of {len(pairs)} images were finished earlier; continuing with the rest')
        columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
            task = progress.add_task('Cutting tiles', total=sum(total.values()))
            statistics = prepare(pairs, table, splits, cutting, staging, lambda tiles: progress.advance(task, tiles))
        for warning in (*statistics.veiled(), *statistics.absent()):
            say(f'warning: {warning}')
        description = {**description, **statistics.bands()}
        draw(staging.folder, description, cutting.suffix)
        staging.publish(out, description, {STATISTICS: report(name, command, statistics)})
    say(f'Statistics of {out}\n{statistics.text()}')
    say(f'{out} is whole: {STATISTICS} counts its pixels, {SHEET} shows some tiles.')
    config = 'recommended_unlabelled' if unlabelled else 'improved'
    say(f'Next: python tools/train.py configs/distill/{config}.py --data-root {shlex.quote(str(out))}')


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder against a second process while it is written, and reports a full disk."""
    lock = RunLock(folder, '-o')
    lock.acquire()
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise RunStopped(f'{folder}: {error.strerror}; make room, and give the same command again') from error
    finally:
        lock.release()


def say(text: str) -> None:
    """Prints text without wrapping, however wide the terminal."""
    Console().print(text, highlight=False, soft_wrap=True, markup=False)


def plan(
    pairs: Sequence[Pair],
    sizes: Mapping[str, tuple[int, int]],
    table: ClassTable,
    splits: Mapping[str, str],
    cutting: Cutting,
    description: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns everything that decides what is written; files finished under another plan are not kept."""
    files = [
        (
            pair.name,
            pair.shrink,
            sizes[pair.name],
            split_of(pair, splits),
            *(_state(file) for file in (pair.image, pair.mask) if file is not None),
        )
        for pair in pairs
    ]
    return dict(files=files, table=asdict(table), cutting=asdict(cutting), description=dict(description))


def _state(file: Path) -> tuple[str, int, int]:
    state = file.stat()
    return str(file.absolute()), state.st_size, state.st_mtime_ns


def report(name: str, command: str, statistics: Statistics) -> str:
    """Returns the content of the file of statistics."""
    return f'# {name}\n\nMade by `{command}`.\n\n{statistics.text()}\n'


def draw(folder: Path, description: Mapping[str, Any], suffix: str) -> None:
    """Draws the contact sheet: some tiles of each split, evenly chosen by name."""
    shown = []
    bands = Bands(*(description[key] for key in ('bands', 'mean', 'std'))) if 'bands' in description else None
    for split, most in SHOWN.items():
        labels = sorted((folder / 'ann_dir' / split).iterdir())
        for number in sorted({round(place) for place in np.linspace(0, len(labels) - 1, most)}):
            label = labels[number]
            file = folder / 'img_dir' / split / f'{label.stem}{suffix}'
            image, _ = read_image(file, bands)
            image = bands.picture(image) if bands else image
            shown.append((label.stem, split, image, read_mask(label)))
    sheet = contact_sheet(shown, description['palette'], description['classes'])
    Image.fromarray(sheet).save(folder / SHEET)
