"""The data tool: from scenes to the folder of tiles that --data-root takes."""

import argparse
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

from ..datasets.dataset_yaml import data_set_name
from ..datasets.prepare import (
    KNOWN,
    LAYOUTS,
    ClassTable,
    Cutting,
    KnownDataSet,
    Pair,
    prepare,
    split_scenes,
    unpacked,
)
from ..datasets.prepare.preparing import describe, look_at, split_of
from ..datasets.prepare.remarks import in_short
from ..datasets.prepare.statistics import Statistics
from ..datasets.prepare.windows import TILE_SCENE, windows
from ..datasets.prepare.writing import Staging, aside, check_target
from ..engine.run_lock import NAME as LOCK
from ..engine.run_lock import RunLock
from ..errors import RunStopped
from ..imagery import Bands, read_image, read_mask
from ..visualization.contact_sheet import contact_sheet
from . import cli
from .prepare_scenes import check, check_apart, scenes_of

SHEET, STATISTICS = 'contact_sheet.png', 'statistics.md'
SHOWN = {'train': 6, 'val': 6}  # tiles of each split in the contact sheet


def parser() -> argparse.ArgumentParser:
    """Arguments for scenes of the user's own."""
    parser = argparse.ArgumentParser(
        description='Cut scenes and their masks into the tiles that --data-root takes.',
        epilog=f'Instead of SCENES the name of a published data set: {", ".join(KNOWN)} (see: %(prog)s dubai --help). '
        'A folder of that name is ./dubai.',
        allow_abbrev=False,
    )
    parser.add_argument('scenes', metavar='SCENES', help='folder of images, and of masks where --masks names none')
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='the new folder')
    find = parser.add_argument_group('which mask belongs to which image')
    find.add_argument('--layout', choices=sorted(LAYOUTS), help='SCENES is this data set, as it is unpacked')
    find.add_argument('--masks', metavar='DIR', help='folder of masks; default: SCENES/masks, or among the images')
    find.add_argument('--image-suffix', default='', metavar='TEXT', help='how stems of images end, such as _RGB')
    find.add_argument('--mask-suffix', metavar='TEXT', help='how stems of masks end, such as _label; default: found')
    find.add_argument(
        '--unlabelled', metavar='DIR', help='folder of images without masks, for img_dir/unlabelled: see docs/data.md'
    )
    meaning = parser.add_argument_group('what masks mean')
    meaning.add_argument('--classes', metavar='FILE', help='YAML or JSON; default: SCENES/classes.yaml or .json')
    meaning.add_argument(
        '--unknown', choices=['error', 'ignore'], default='error', help='a colour or number that is in no list'
    )
    tiles = parser.add_argument_group('tiles')
    tiles.add_argument('--size', type=int, default=256, metavar='N', help='pixels of a side (default 256)')
    apart = tiles.add_mutually_exclusive_group()
    apart.add_argument('--stride', type=int, metavar='N', help='pixels from tile to tile (default: --size)')
    apart.add_argument('--overlap', type=int, metavar='N', help='pixels that neighbouring tiles share')
    tiles.add_argument(
        '--max-ignored', type=float, default=0.5, metavar='SHARE', help='drop tiles with more ignored (default 0.5)'
    )
    tiles.add_argument(
        '--bands',
        type=int,
        nargs='+',
        default=[],
        metavar='N',
        help='bands, from 1 (default 1 2 3; all with --format tif)',
    )
    tiles.add_argument(
        '--range',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='values that become 0 and 255, for more than 8 bits',
    )
    tiles.add_argument(
        '--format',
        choices=['png', 'jpg', 'tif'],
        default='png',
        help='of images (default png); tif keeps values and bands as they are, of more than 8 bits or three bands',
    )
    tiles.add_argument('--quality', type=int, default=95, metavar='N', help='of jpg (default 95)')
    split = parser.add_argument_group('split, by scene')
    split.add_argument(
        '--val',
        nargs='+',
        metavar='X',
        help="a share (default 0.2, or the layout's own), or names or expressions of scenes",
    )
    split.add_argument('--seed', type=int, default=0, help='of the draw (default 0)')
    split.add_argument(
        '--scene',
        metavar='EXPRESSION',
        help="finds a tile's scene in its name, such as '^(t[0-9]+)_'; default: the image",
    )
    parser.add_argument('--name', metavar='NAME', help="of the data set; default: DIR's")
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def known_parser(known: KnownDataSet) -> argparse.ArgumentParser:
    """Arguments for a published data set: how its tiles are cut is no choice."""
    parser = argparse.ArgumentParser(
        description=f'Make the tiles of {known.name} ({known.credit}) from {known.url}.', allow_abbrev=False
    )
    parser.add_argument('known', metavar=known.name, choices=[known.name], help='the data set')
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='the new folder')
    parser.add_argument(
        '--archive', type=Path, metavar='PATH', help='the ZIP file or its content; default: download it'
    )
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Prepares what the arguments say."""
    known = next((KNOWN[word] for word in argv[:1] if word in KNOWN), None)
    if known is None:
        arguments = parser().parse_args(argv)
        check(arguments)
        out = check_target(arguments.out)
        pairs, table, val = scenes_of(arguments, say)
        name = data_set_name(Path('--name'), arguments.name or Path(arguments.out).absolute().name)
        cut(out, argv, pairs, table, cutting(arguments), (val, arguments.seed), name, arguments.scene or TILE_SCENE)
        return
    arguments = known_parser(known).parse_args(argv)
    out = check_target(arguments.out)
    with unpacked(known, arguments.archive, out.absolute().parent) as folder:
        cut(out, argv, known.find(folder), known.table, known.cutting, (known.val, 0), known.name, known.scene)
    say(f'{known.name}: {known.credit}')


def cutting(arguments: argparse.Namespace) -> Cutting:
    """How tiles are cut, from the arguments."""
    stride = arguments.stride or arguments.size - (arguments.overlap or 0)
    return Cutting(
        size=arguments.size,
        stride=stride,
        max_ignored=arguments.max_ignored,
        bands=tuple(arguments.bands),
        span=tuple(arguments.range) if arguments.range else None,
        suffix=f'.{arguments.format}',
        quality=arguments.quality,
        unknown_ignored=arguments.unknown == 'ignore',
    )


def cut(
    out: Path,
    argv: Sequence[str],
    pairs: Sequence[Pair],
    table: ClassTable,
    cutting: Cutting,
    val: tuple[Sequence[str], int],
    name: str,
    scene: str,
) -> None:
    """Cuts, counts, draws and publishes."""
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
    with locked(aside(out)):
        staging = Staging(aside(out), plan(pairs, sizes, table, splits, cutting, description), keep=(LOCK,))
        finished = sum(staging.finished(pair.name) is not None for pair in pairs)
        if finished:
            say(f'{finished} of {len(pairs)} images were finished earlier; going on with the rest')
        columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
            task = progress.add_task('Cutting tiles', total=sum(total.values()))
            statistics = prepare(pairs, table, splits, cutting, staging, lambda tiles: progress.advance(task, tiles))
        for warning in (*statistics.veiled(), *statistics.absent()):
            say(f'warning: {warning}')
        description = {**description, **statistics.bands()}
        draw(staging.folder, description, cutting.suffix)
        staging.publish(out, description, {STATISTICS: report(name, argv, statistics)})
    say(f'Statistics of {out}\n{statistics.text()}')
    say(f'{out} is whole: {STATISTICS} counts its pixels, {SHEET} shows some tiles.')
    config = 'best_unlabelled' if unlabelled else 'improved'
    say(f'Next: python tools/train.py configs/distill/{config}.py --data-root {shlex.quote(str(out))}')


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps a second process out of a folder that is being written, and says where the disk is full."""
    lock = RunLock(folder, '-o')
    lock.acquire()
    try:
        yield
    except OSError as error:
        if error.errno not in cli.FULL:
            raise
        raise RunStopped(f'{folder}: {error.strerror}; make room, and give the same command again') from error
    finally:
        lock.release()


def say(text: str) -> None:
    """Prints text as it is, however wide the terminal."""
    Console().print(text, highlight=False, soft_wrap=True, markup=False)


def plan(
    pairs: Sequence[Pair],
    sizes: Mapping[str, tuple[int, int]],
    table: ClassTable,
    splits: Mapping[str, str],
    cutting: Cutting,
    description: Mapping[str, Any],
) -> dict[str, Any]:
    """All that decides what is written: what is finished under another plan is not kept."""
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


def report(name: str, argv: Sequence[str], statistics: Statistics) -> str:
    """The file of statistics."""
    command = shlex.join(['python', 'tools/prepare_data.py', *argv])
    return f'# {name}\n\nMade by `{command}`.\n\n{statistics.text()}\n'


def draw(folder: Path, description: Mapping[str, Any], suffix: str) -> None:
    """Draws some tiles of each split, evenly chosen by name."""
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
