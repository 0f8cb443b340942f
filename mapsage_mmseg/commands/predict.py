"""The predict command: class maps of pictures and GeoTIFFs of any size."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import cli
from .arguments import add_bands, add_debug


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser."""
    parser = argparse.ArgumentParser(
        description='Predict land cover of pictures and GeoTIFFs of any size. The same command continues after an '
        'interruption, and leaves alone what is done.',
        allow_abbrev=False,
    )
    parser.add_argument('model', help='a run or exported directory, a checkpoint, or an ONNX file')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='pictures, GeoTIFFs, or folders of them')
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='where the maps go')
    parser.add_argument('--window', type=int, default=512, metavar='PIXELS', help='side of a window (default 512)')
    parser.add_argument('--overlap', type=int, default=64, metavar='PIXELS', help='what windows share (default 64)')
    add_bands(parser)
    parser.add_argument('--probabilities', action='store_true', help='also a GeoTIFF with a band a class')
    parser.add_argument('--polygons', action='store_true', help='also outlines, as GeoJSON')
    parser.add_argument('--config', metavar='FILE', help='of a checkpoint without a config.py beside it')
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Predicts maps of the inputs, and prints the files that were written."""
    arguments = cli.parse(parser(), argv)
    from ..deployment.find_student import load_predictor
    from ..deployment.maps.predict import PredictOptions, plan_products, predict
    from ..output_files import check_folder, out_folder

    options = PredictOptions(
        window=arguments.window,
        overlap=arguments.overlap,
        bands=arguments.bands,
        span=tuple(arguments.range) if arguments.range else None,
        probabilities=arguments.probabilities,
        polygons=arguments.polygons,
    )
    predictor = load_predictor(arguments.model, arguments.config)
    pairs = plan_products(arguments.inputs, Path(arguments.out), predictor, options)
    check_folder(out_folder(arguments.out))
    for path in predict(pairs, predictor, options):
        print(path)
