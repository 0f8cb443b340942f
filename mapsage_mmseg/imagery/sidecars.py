"""Sidecar files of an image: georeference and missing pixels.

GDAL would read such files itself and open any file that they refer to. It is therefore kept from them, and the usual
ones of the field are read here: world files, ``.aux.xml`` (coordinate system, transform, nodata) and masks (``.msk``).
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

LARGEST = 1 << 20  # bytes of a text sidecar
WKT = re.compile(r'\s*[A-Z_]+\s*\[')  # beginning of a coordinate system as text; nothing else is passed to GDAL
Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Sidecar:
    """Content of the sidecar files of an image.

    Attributes:
        crs: Coordinate system as WKT.
        transform: Transform from (column, row) of a pixel's corner to coordinates, in the order of ``affine.Affine``.
        nodata: Nodata value by band number.
        mask: A file whose zeros are missing pixels.
    """

    crs: str | None
    transform: Transform | None
    nodata: dict[int, float]
    mask: Path | None


def read_sidecars(image: Path) -> Sidecar:
    """Reads the sidecar files of an image; one that cannot be read, is too large or a link counts as absent."""
    crs, transform, nodata = _aux(Path(f'{image}.aux.xml'))
    mask = Path(f'{image}.msk')
    return Sidecar(crs, _world(image) or transform, nodata, mask if mask.is_file() and not mask.is_symlink() else None)


def _text(file: Path) -> str | None:
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > LARGEST:
            return None
        return file.read_text(encoding='utf-8')
    except (OSError, ValueError):
        return None


def _world(image: Path) -> Transform | None:
    """Reads the world file: ``a.tfw``, ``a.tifw`` or ``a.wld`` for ``a.tif``, whose origin is a pixel centre."""
    suffix = image.suffix[1:]
    for ending in (f'{suffix[:1]}{suffix[-1:]}w', f'{suffix}w', 'wld'):
        text = _text(image.with_suffix(f'.{ending}')) or _text(image.with_suffix(f'.{ending.upper()}'))
        try:
            a, d, b, e, x, y = numbers = [float(each) for each in (text or '').split()]
        except ValueError:
            continue
        if not all(map(math.isfinite, numbers)):
            continue
        return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2
    return None


def _aux(file: Path) -> tuple[str | None, Transform | None, dict[int, float]]:
    text = _text(file)
    if text is None or '<!' in text:  # a document type may define entities that expand without limit
        return None, None, {}
    try:
        root: Any = ElementTree.fromstring(text)
        crs, numbers = root.findtext('SRS'), root.findtext('GeoTransform')
        x, a, b, y, d, e = map(float, numbers.split(',')) if numbers else (0, 1, 0, 0, 0, 1)
        bands = {int(band.get('band', 0)): band.findtext('NoDataValue') for band in root.findall('PAMRasterBand')}
        nodata = {number: float(value) for number, value in bands.items() if value}
        if not all(map(math.isfinite, (x, a, b, y, d, e))):
            return None, None, {}
    except (ElementTree.ParseError, ValueError):
        return None, None, {}
    return crs if crs and WKT.match(crs) else None, (a, b, x, d, e, y) if numbers else None, nodata
