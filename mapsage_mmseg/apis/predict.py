"""The prediction tool: class maps of pictures and GeoTIFFs of any size."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..deployment.map_files import publish, write_map, write_overview, write_probabilities
from ..deployment.polygons import place, write_polygons
from ..deployment.predictor import Predictor, onnx_predictor, torch_predictor
from ..deployment.products import MADE, Products, said
from ..deployment.strip_store import StripStore
from ..deployment.strips import Plan, predict_strips
from ..errors import InputError
from ..imagery import Bands
from ..imagery.formats import IMAGE_SUFFIXES
from ..imagery.scene_reader import Scene
from . import cli
from .export import out_folder
from .output import check_folder
from .students import find_student

GEOTIFF = ('.tif', '.tiff')
SMALLEST = 32  # pixels: what an exported graph takes


def parser() -> argparse.ArgumentParser:
    """Arguments."""
    parser = argparse.ArgumentParser(
        description='Predict land cover of pictures and GeoTIFFs of any size. The same command goes on after an '
        'interruption, and leaves alone what is done.',
        allow_abbrev=False,
    )
    parser.add_argument('model', help='a run or exported directory, a checkpoint, or an ONNX file')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='pictures, GeoTIFFs, or folders of them')
    parser.add_argument('-o', '--out', required=True, metavar='DIR', help='where the maps go')
    parser.add_argument('--window', type=int, default=512, metavar='PIXELS', help='side of a window (default 512)')
    parser.add_argument('--overlap', type=int, default=64, metavar='PIXELS', help='what windows share (default 64)')
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
    parser.add_argument('--probabilities', action='store_true', help='also a GeoTIFF with a band a class')
    parser.add_argument('--polygons', action='store_true', help='also outlines, as GeoJSON')
    parser.add_argument('--config', metavar='FILE', help='of a checkpoint without a config.py beside it')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Predicts what the arguments say, and says what was written."""
    arguments = cli.parse(parser(), argv)
    check(arguments)
    inputs, predictor = find_inputs(arguments.inputs), load(arguments.model, arguments.config)
    wanted = predictor.bands
    check_bands(arguments, wanted)
    pairs = name_products(inputs, arguments, wanted)
    check_folder(out_folder(arguments.out))
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        for source, products in pairs:
            with Scene(source, arguments.bands, arguments.range, wanted) as scene:
                for path in predict(scene, predictor, products, arguments, progress):
                    progress.console.print(str(path), markup=False, highlight=False, soft_wrap=True)


def check(arguments: argparse.Namespace) -> None:
    """Refuses numbers that make no sense.

    Raises:
        InputError: Names the option.
    """
    if arguments.window < SMALLEST:
        raise InputError(f'--window {arguments.window} must be {SMALLEST} pixels or more')
    if not 0 <= arguments.overlap < arguments.window:
        raise InputError(f'--overlap {arguments.overlap} must be from 0 to below --window, {arguments.window}')
    check_range(arguments.range)


def check_range(span: Sequence[float] | None) -> None:
    """Refuses a range that is none.

    Raises:
        InputError: Its first value is not below its second.
    """
    if span and not span[0] < span[1]:
        raise InputError(f'--range {span[0]:g} {span[1]:g}: the first must be below the second')


def check_bands(arguments: argparse.Namespace, wanted: Bands | None) -> None:
    """Refuses bands and values other than the model takes.

    Raises:
        InputError: Names the option.
    """
    count = len(wanted.numbers) if wanted else 3
    if arguments.bands and len(arguments.bands) != count:
        raise InputError(f'--bands {" ".join(map(str, arguments.bands))}: the model takes {count}')
    if arguments.range and wanted:
        raise InputError('--range: the model takes values as they are; leave it out')


def load(model: str, config: str | None) -> Predictor:
    """The model that a user names, in whichever form."""
    if Path(model).suffix == '.onnx':
        if not Path(model).is_file():
            raise InputError(f'{model} does not exist; name a run directory, a checkpoint or an ONNX file')
        return onnx_predictor(Path(model), torch.get_num_threads())
    return torch_predictor(find_student(model, config)[0])


def find_inputs(names: Sequence[str]) -> list[Path]:
    """The pictures that are named, and those in folders that are, sorted; of these not what this tool wrote.

    Raises:
        InputError: There is no such file, or no picture in a folder.
    """
    found: list[Path] = []
    for name in map(Path, names):
        if name.is_dir():
            inside = sorted(path for path in name.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
            inside = [path for path in inside if not path.name.startswith('.') and MADE not in (said(path) or {})]
            if not inside:
                raise InputError(f'{name} holds no {", ".join(IMAGE_SUFFIXES)} to predict')
            found += inside
        elif name.is_file():
            found.append(name)
        else:
            raise InputError(f'{name} does not exist; name pictures, GeoTIFFs, or folders of them')
    return found


def name_products(
    inputs: Sequence[Path], arguments: argparse.Namespace, wanted: Bands | None = None
) -> list[tuple[Path, Products]]:
    """What each input's files will be called.

    Raises:
        InputError: Two inputs' would be the same, one would replace an input or somebody's file, an input cannot be
            read, or its outlines cannot be placed.
    """
    out, given = Path(arguments.out), {path.resolve() for path in inputs}
    pairs: list[tuple[Path, Products]] = []
    taken: dict[Path, Path] = {}
    for path in inputs:
        # what cannot be read is named before the work
        with Scene(path, arguments.bands, arguments.range, wanted) as scene:
            suffix = '.tif' if scene.located or path.suffix.lower() in GEOTIFF else '.png'
            if arguments.polygons:
                place(scene)
        products = Products(
            out / f'{path.stem}{suffix}',
            out / f'{path.stem}_overview.jpg',
            out / f'{path.stem}_probabilities.tif' if arguments.probabilities else None,
            out / f'{path.stem}.geojson' if arguments.polygons else None,
        )
        for product in products.all():
            if product.resolve() in given:
                raise InputError(f'{product} is an input, and would be replaced; choose another folder with -o')
            if product in taken:
                raise InputError(
                    f'{taken[product]} and {path} would both give {product}; predict them into two folders'
                )
            taken[product] = path
        products.check_replaceable()
        pairs.append((path, products))
    return pairs


def predict(
    scene: Scene, predictor: Predictor, products: Products, arguments: argparse.Namespace, progress: Progress
) -> Iterator[Path]:
    """Writes the products of one scene; strips that an earlier attempt finished are not predicted again.

    Yields:
        Files that are there now.
    """
    plan = Plan(scene.height, scene.width, arguments.window, arguments.overlap)
    state = scene.path.stat()
    facts = dict(
        scene=scene.path.name,
        bytes=str(state.st_size),
        changed=str(state.st_mtime_ns),
        model_sha256=predictor.sha256,
        window=f'{plan.window} overlap {plan.overlap}',
        bands=' '.join(map(str, scene.bands)),
        span=str(scene.span),
    )
    if products.done(facts):
        yield from products.all()
        return
    store = StripStore(products.classes, dict(facts, probabilities=products.probabilities is not None))
    first, total = store.finished(), len(plan.rows)
    task = progress.add_task(scene.path.name, total=total, completed=first)
    if first < total:
        strips = predict_strips(plan, scene.read, predictor.logits, len(predictor.classes), first)
        for index, (classes, probabilities) in enumerate(strips, first):
            store.keep(index, classes, probabilities if products.probabilities else None)
            progress.advance(task)
    tell_hidden(scene, store)
    aside = {path: store.folder / path.name for path in products.all()}
    write_map(aside[products.classes], store, scene, predictor, facts)
    if products.probabilities:
        write_probabilities(aside[products.probabilities], store, scene, predictor, facts)
    if products.polygons:
        write_polygons(aside[products.polygons], aside[products.classes], scene, predictor, facts)
    write_overview(aside[products.overview], aside[products.classes], scene, predictor, facts)
    publish([(aside[path], path) for path in products.all()])
    store.remove()
    progress.remove_task(task)
    yield from products.all()


def tell_hidden(scene: Scene, store: StripStore) -> None:
    """Says how much of a scene an alpha band hides: GDAL marks the fourth of four bands so, whatever it holds."""
    if scene.alpha and (share := store.share_without_class()):
        kept = ' '.join(f'-b {band}' for band in scene.bands)
        print(
            f'{scene.path}: band {scene.alpha} passes for transparency (alpha) and hides {100 * share:.3g} % of the '
            f'scene, 255 in the map; if it is something else, gdal_translate {kept} leaves it out',
            file=sys.stderr,
        )
