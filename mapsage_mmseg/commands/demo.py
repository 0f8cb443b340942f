"""The demo command: a page with the predictions of a student and its teacher."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError
from . import cli
from .arguments import add_bands, add_debug

if TYPE_CHECKING:
    from ..deployment.demo.page import Demo

HIGHEST_PORT = 65535
SMALLEST = 32 * 32  # pixels: the least that an exported graph takes


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser."""
    parser = argparse.ArgumentParser(
        description='Serve a page on this machine: drop in a picture, see what the student and its teacher make of it.',
        allow_abbrev=False,
    )
    parser.add_argument('model', help='a run or exported directory, a checkpoint, or an ONNX file')
    parser.add_argument(
        '--teacher', metavar='FILE', help="the teacher's checkpoint, where it is not where the run had it"
    )
    parser.add_argument('--config', metavar='FILE', help='of the run, where no config.py of it lies beside the model')
    parser.add_argument('--data-root', metavar='PATH', help='examples from this folder: img_dir, ann_dir, dataset.yaml')
    parser.add_argument('--examples', type=int, default=4, metavar='N', help='validation images to offer (default 4)')
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to serve on (default 127.0.0.1: this machine alone)'
    )
    parser.add_argument('--port', type=int, metavar='N', help='default: the first free one from 7860')
    parser.add_argument(
        '--share', action='store_true', help="a public address through Gradio's servers; off by default"
    )
    parser.add_argument(
        '--max-pixels', type=int, default=2048 * 2048, metavar='N', help='of a picture that is dropped in (4194304)'
    )
    add_bands(parser)
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Serves the page until it is interrupted."""
    arguments = cli.parse(parser(), argv)
    check(arguments)
    from ..deployment.demo.page import require_gradio, serve

    require_gradio()
    page = shown(arguments)
    for remark in page.remarks:
        print(remark)
    serve(page, arguments.host, arguments.port, arguments.share)


def shown(arguments: argparse.Namespace) -> 'Demo':
    """Prepares the demo that the arguments describe.

    Raises:
        InputError: Something that they name is missing or does not fit.
    """
    from ..deployment.demo.gather import gather
    from ..imagery.scene_reader import check_range

    check_range(arguments.range)
    return gather(
        arguments.model,
        config=arguments.config,
        teacher=arguments.teacher,
        data_root=arguments.data_root,
        examples=arguments.examples,
        bands=arguments.bands,
        span=arguments.range,
        largest=arguments.max_pixels,
    )


def check(arguments: argparse.Namespace) -> None:
    """Refuses numbers out of range.

    Raises:
        InputError: A number is out of range; the message names the option.
    """
    if arguments.examples < 0:
        raise InputError(f'--examples {arguments.examples} must be 0 or more')
    if arguments.port is not None and not 1 <= arguments.port <= HIGHEST_PORT:
        raise InputError(f'--port {arguments.port} must be from 1 to {HIGHEST_PORT}')
    if arguments.max_pixels < SMALLEST:
        raise InputError(f'--max-pixels {arguments.max_pixels} must be {SMALLEST} or more')
