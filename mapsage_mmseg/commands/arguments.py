"""Arguments that several commands share."""

import argparse


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Adds ``--debug``."""
    parser.add_argument('--debug', action='store_true', help='show tracebacks')


def add_overrides(parser: argparse.ArgumentParser, of: str = 'the config') -> None:
    """Adds ``--cfg-options``."""
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help=f'override settings of {of}')


def add_skip_check(parser: argparse.ArgumentParser) -> None:
    """Adds ``--skip-data-check``."""
    parser.add_argument('--skip-data-check', action='store_true', help='do not read every file of --data-root first')


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Adds ``--launcher``, and the argument that launchers pass on."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def add_bands(parser: argparse.ArgumentParser) -> None:
    """Adds ``--bands`` and ``--range``, of pictures and GeoTIFFs that a model reads."""
    parser.add_argument(
        '--bands', type=int, nargs='+', metavar='N', help='red, green and blue, or what the model takes'
    )
    parser.add_argument(
        '--range',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='values that become 0 and 255, of other than bytes',
    )
