"""The prepare command: from scenes to the folder of tiles that --data-root takes."""

import argparse
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from . import cli
from .arguments import add_debug

KNOWN = ('dubai',)  # as in datasets/prepare/known.py
LAYOUTS = ('deepglobe', 'openearthmap')  # as in datasets/prepare/layouts.py
MOST_BANDS = 64


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser for the user's own scenes."""
    parser = argparse.ArgumentParser(
        description='Cut scenes and their masks into the tiles that --data-root takes.',
        epilog=f'Instead of SCENES the name of a published data set: {", ".join(KNOWN)} (see: %(prog)s dubai --help). '
        'A folder of that name is ./dubai.',
        allow_abbrev=False,
    )
    parser.add_argument('scenes', metavar='SCENES', help='folder of images, and of masks where --masks names none')
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='the new folder')
    find = parser.add_argument_group('which mask belongs to which image')
    find.add_argument('--layout', choices=LAYOUTS, help='SCENES is this data set, as it is unpacked')
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
    add_debug(parser)
    return parser


def known_parser(name: str) -> argparse.ArgumentParser:
    """Builds the argument parser for a published data set, whose tiles are cut in a fixed way."""
    parser = argparse.ArgumentParser(description=f'Make the tiles of the published {name}.', allow_abbrev=False)
    parser.add_argument('known', metavar=name, choices=[name], help='the data set')
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='the new folder')
    parser.add_argument(
        '--archive', type=Path, metavar='PATH', help='the ZIP file or its content; default: download it'
    )
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Prepares a folder of tiles."""
    command = shlex.join(['python', 'tools/prepare_data.py', *argv])
    if argv[:1] and argv[0] in KNOWN:
        _prepare_known(cli.parse(known_parser(argv[0]), argv), command)
        return
    arguments = cli.parse(parser(), argv)
    check(arguments)
    from ..datasets.prepare.preparing import Cutting
    from ..datasets.prepare.scenes import SceneOptions, scenes_of
    from ..datasets.prepare.tiling import TILE_SCENE
    from ..datasets.prepare.writing import check_target
    from ..datasets.tiles.dataset_yaml import data_set_name
    from ..training.prepare_folder import cut, say

    cutting = Cutting(
        size=arguments.size,
        stride=arguments.stride or arguments.size - (arguments.overlap or 0),
        max_ignored=arguments.max_ignored,
        bands=tuple(arguments.bands),
        span=tuple(arguments.range) if arguments.range else None,
        suffix=f'.{arguments.format}',
        quality=arguments.quality,
        unknown_ignored=arguments.unknown == 'ignore',
    )
    out = check_target(arguments.out)
    pairs, table, val = scenes_of(arguments.scenes, SceneOptions.of(arguments), say)
    name = data_set_name(Path('--name'), arguments.name or Path(arguments.out).absolute().name)
    cut(out, command, pairs, table, cutting, (val, arguments.seed), name, arguments.scene or TILE_SCENE)


def _prepare_known(arguments: argparse.Namespace, command: str) -> None:
    from ..datasets.prepare.known import KNOWN, unpacked
    from ..datasets.prepare.writing import check_target
    from ..training.prepare_folder import cut, say

    known, out = KNOWN[arguments.known], check_target(arguments.out)
    with unpacked(known, arguments.archive, out.absolute().parent) as folder:
        cut(out, command, known.find(folder), known.table, known.cutting, (known.val, 0), known.name, known.scene)
    say(f'{known.name}: {known.credit}')


def check(arguments: argparse.Namespace) -> None:
    """Refuses values that are out of range or contradict each other.

    Raises:
        InputError: The message names the option.
    """
    bounds = dict(size=(2, None), stride=(1, arguments.size), overlap=(0, arguments.size - 1), quality=(1, 100))
    for name, (low, high) in bounds.items():
        value = getattr(arguments, name)
        if value is not None and (value < low or high is not None and value > high):
            up_to = f' to {high}' if high is not None else ''
            raise InputError(f'--{name} {value} must be a whole number from {low}{up_to}')
    if not 0 <= arguments.max_ignored < 1:
        raise InputError(f'--max-ignored {arguments.max_ignored} must be a share from 0, below 1')
    if arguments.range and not -math.inf < arguments.range[0] < arguments.range[1] < math.inf:
        raise InputError('--range {:g} {:g} must be two finite numbers, the lower one first'.format(*arguments.range))
    keeps, bands = arguments.format == 'tif', ' '.join(map(str, arguments.bands))
    if min(arguments.bands, default=1) < 1 or len(arguments.bands) > MOST_BANDS:
        raise InputError(f'--bands {bands} must be 1 to {MOST_BANDS} numbers, each from 1')
    if not keeps and len(arguments.bands) not in (0, 1, 3):
        raise InputError(f'--bands {bands} must be one number or three; --format tif takes any')
    if keeps and arguments.range:
        raise InputError('--range brings values to 8 bits, and --format tif keeps them; leave one out')
