"""Prediction of class maps: from a model and pictures or GeoTIFFs to files."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...errors import InputError
from ...imagery import Bands
from ...imagery.formats import IMAGE_SUFFIXES
from ...imagery.scene_reader import Scene, check_bands, check_range
from ..predictor import Predictor
from .map_files import publish, write_map, write_overview, write_probabilities
from .polygons import place, write_polygons
from .products import MADE, Products, said
from .strip_store import StripStore
from .strips import Plan, predict_strips

GEOTIFF = ('.tif', '.tiff')
SMALLEST = 32  # pixels: the minimum of an exported graph


@dataclass(frozen=True)
class PredictOptions:
    """Options of a prediction: how scenes are read and what is written.

    Attributes:
        window: Side of a window, pixels.
        overlap: Minimum overlap of neighbouring windows, pixels.
        bands: Numbers, from 1, of red, green and blue or of the bands that the model takes; None for the scene's own.
        span: Values that become 0 and 255, for images that are not 8-bit.
        probabilities: Also write a GeoTIFF with one band per class.
        polygons: Also write outlines as GeoJSON.

    Raises:
        InputError: A number is out of its range; the message names the option.
    """

    window: int = 512
    overlap: int = 64
    bands: Sequence[int] | None = None
    span: tuple[float, float] | None = None
    probabilities: bool = False
    polygons: bool = False

    def __post_init__(self) -> None:
        if self.window < SMALLEST:
            raise InputError(f'--window {self.window} must be {SMALLEST} pixels or more')
        if not 0 <= self.overlap < self.window:
            raise InputError(f'--overlap {self.overlap} must be from 0 to below --window, {self.window}')
        check_range(self.span)


def plan_products(
    inputs: Sequence[str], out: Path, predictor: Predictor, options: PredictOptions
) -> list[tuple[Path, Products]]:
    """Returns each scene with the files that will be written for it; errors of the input are raised here.

    Args:
        inputs: Pictures, GeoTIFFs, or folders of them.
        out: The folder for the maps.
        predictor: The model.
        options: How scenes are read.

    Raises:
        InputError: As :func:`find_inputs` and :func:`name_products`, or the options do not fit the model's bands.
    """
    found = find_inputs(inputs)
    check_bands(options.bands, options.span, predictor.bands)
    return name_products(found, out, options, predictor.bands)


def predict(
    pairs: Sequence[tuple[Path, Products]], predictor: Predictor, options: PredictOptions | None = None
) -> Iterator[Path]:
    """Writes the maps of scenes; scenes that an earlier call finished are skipped.

    Args:
        pairs: As :func:`plan_products` returns them.
        predictor: The model.
        options: How scenes are read and what is written.

    Yields:
        Finished files, including those of skipped scenes.
    """
    options = options or PredictOptions()
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        for source, products in pairs:
            with Scene(source, options.bands, options.span, predictor.bands) as scene:
                yield from predict_scene(scene, predictor, products, options, progress)


def find_inputs(names: Sequence[str]) -> list[Path]:
    """Returns the named pictures, and those in named folders, sorted and without files that this tool wrote.

    Raises:
        InputError: A file does not exist, or a folder has no picture.
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
    inputs: Sequence[Path], out: Path, options: PredictOptions, wanted: Bands | None = None
) -> list[tuple[Path, Products]]:
    """Determines the names of each input's output files.

    Raises:
        InputError: Two inputs have the same output file, an output file would replace an input or a file that this tool
            did not write, an input cannot be read, or its outlines cannot be placed.
    """
    given = {path.resolve() for path in inputs}
    pairs: list[tuple[Path, Products]] = []
    taken: dict[Path, Path] = {}
    for path in inputs:
        # inputs that cannot be read are reported before the work
        with Scene(path, options.bands, options.span, wanted) as scene:
            suffix = '.tif' if scene.located or path.suffix.lower() in GEOTIFF else '.png'
            if options.polygons:
                place(scene)
        products = Products(
            out / f'{path.stem}{suffix}',
            out / f'{path.stem}_overview.jpg',
            out / f'{path.stem}_probabilities.tif' if options.probabilities else None,
            out / f'{path.stem}.geojson' if options.polygons else None,
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


def predict_scene(
    scene: Scene, predictor: Predictor, products: Products, options: PredictOptions, progress: Progress
) -> Iterator[Path]:
    """Writes the products of one scene; strips that an earlier attempt finished are not predicted again.

    Yields:
        Finished files.
    """
    plan = Plan(scene.height, scene.width, options.window, options.overlap)
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
    staged = {path: store.folder / path.name for path in products.all()}
    write_map(staged[products.classes], store, scene, predictor, facts)
    if products.probabilities:
        write_probabilities(staged[products.probabilities], store, scene, predictor, facts)
    if products.polygons:
        write_polygons(staged[products.polygons], staged[products.classes], scene, predictor, facts)
    write_overview(staged[products.overview], staged[products.classes], scene, predictor, facts)
    publish([(staged[path], path) for path in products.all()])
    store.remove()
    progress.remove_task(task)
    yield from products.all()


def tell_hidden(scene: Scene, store: StripStore) -> None:
    """Warns how much of a scene an alpha band hides: GDAL marks the last of four bands as alpha in any case."""
    if scene.alpha and (share := store.share_without_class()):
        kept = ' '.join(f'-b {band}' for band in scene.bands)
        print(
            f'{scene.path}: band {scene.alpha} passes for transparency (alpha) and hides {100 * share:.3g} % of the '
            f'scene, 255 in the map; if it is something else, gdal_translate {kept} leaves it out',
            file=sys.stderr,
        )
