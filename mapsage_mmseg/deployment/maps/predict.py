"""Class maps of scenes: from a model and pictures or GeoTIFFs to files."""

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
SMALLEST = 32  # pixels: what an exported graph takes


@dataclass(frozen=True)
class PredictOptions:
    """How scenes are read and what is written of them.

    Attributes:
        window: Side of a window, pixels.
        overlap: What neighbouring windows share, pixels.
        bands: Numbers, from 1, of red, green and blue or of the bands that the model takes; None for the scene's own.
        span: Values that become 0 and 255, of images of other than bytes.
        probabilities: Write a GeoTIFF with a band a class, too.
        polygons: Write outlines as GeoJSON, too.

    Raises:
        InputError: A number makes no sense; names the option.
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
    """Each scene with the files that will be written of it; everything that can be wrong with them is found here.

    Args:
        inputs: Pictures, GeoTIFFs, or folders of them.
        out: The folder for the maps.
        predictor: The model.
        options: How scenes are read.

    Raises:
        InputError: As :func:`find_inputs` and :func:`name_products`, or the model takes other bands.
    """
    found = find_inputs(inputs)
    check_bands(options.bands, options.span, predictor.bands)
    return name_products(found, out, options, predictor.bands)


def predict(
    pairs: Sequence[tuple[Path, Products]], predictor: Predictor, options: PredictOptions | None = None
) -> Iterator[Path]:
    """Writes the maps of scenes; what an earlier call finished is left alone.

    Args:
        pairs: As :func:`plan_products` gives them.
        predictor: The model.
        options: How scenes are read and what is written.

    Yields:
        Files that are there now.
    """
    options = options or PredictOptions()
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        for source, products in pairs:
            with Scene(source, options.bands, options.span, predictor.bands) as scene:
                yield from predict_scene(scene, predictor, products, options, progress)


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
    inputs: Sequence[Path], out: Path, options: PredictOptions, wanted: Bands | None = None
) -> list[tuple[Path, Products]]:
    """What each input's files will be called.

    Raises:
        InputError: Two inputs' would be the same, one would replace an input or somebody's file, an input cannot be
            read, or its outlines cannot be placed.
    """
    given = {path.resolve() for path in inputs}
    pairs: list[tuple[Path, Products]] = []
    taken: dict[Path, Path] = {}
    for path in inputs:
        # what cannot be read is named before the work
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
        Files that are there now.
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
    """Says how much of a scene an alpha band hides: GDAL marks the fourth of four bands so, whatever it holds."""
    if scene.alpha and (share := store.share_without_class()):
        kept = ' '.join(f'-b {band}' for band in scene.bands)
        print(
            f'{scene.path}: band {scene.alpha} passes for transparency (alpha) and hides {100 * share:.3g} % of the '
            f'scene, 255 in the map; if it is something else, gdal_translate {kept} leaves it out',
            file=sys.stderr,
        )
