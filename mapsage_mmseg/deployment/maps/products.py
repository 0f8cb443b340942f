"""Output files of one scene: their names, and the facts in them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import InputError
from ...imagery import open_raster

MADE = 'model_sha256'  # one of the facts in a product, which no other file has
MEMBER = 'mapsage_mmseg'  # member of a GeoJSON's first line that holds the facts
LONGEST = 65536  # bytes of that line


@dataclass(frozen=True)
class Products:
    """Output files of one input, all in one folder."""

    classes: Path
    overview: Path
    probabilities: Path | None
    polygons: Path | None

    def all(self) -> list[Path]:
        """Returns the files in the order of publication: the class map last, so that if it exists, all exist."""
        found = [self.overview, self.probabilities, self.polygons, self.classes]
        return [path for path in found if path is not None]

    def done(self, facts: Mapping[str, str]) -> bool:
        """Returns whether an earlier command wrote the same products; an overview is as old as its map."""
        telling = [path for path in self.all() if path != self.overview]
        return said(self.overview) is not None and all(facts.items() <= (said(path) or {}).items() for path in telling)

    def check_replaceable(self) -> None:
        """Refuses to replace files that this tool did not write.

        Raises:
            InputError: A file at the path of a product is not marked as one.
        """
        for path in self.all():
            if os.path.lexists(path) and not self._ours(path):
                raise InputError(
                    f'{path} is there and does not say that this tool wrote it, so it stays; move it away, or choose '
                    'another folder with -o'
                )

    def _ours(self, path: Path) -> bool:
        """Returns whether this tool wrote a file; of a map and its overview, one marked file is enough for both."""
        if not path.is_file():
            return False
        says = said(path)
        if path == self.classes:
            return _is_map(says) or (says is None and MADE in (said(self.overview) or {}))
        if says is None or path == self.overview:
            return MADE in (says or {}) or _is_map(said(self.classes))
        return MADE in says and not _is_map(says)


def said(path: Path) -> Mapping[str, Any] | None:
    """Returns the facts in a product, or the tags of any other file; None if it cannot be read."""
    if not path.is_file():
        return None
    try:
        if path.suffix == '.jpg':
            with Image.open(path, formats=['JPEG']) as picture:
                return _mapping(_parsed(picture.info.get('comment', b'')))
        if path.suffix == '.geojson':
            with open(path, 'rb') as file:
                return _mapping(_mapping(_parsed(file.readline(LONGEST).rstrip() + b']}')).get(MEMBER))
        with open_raster(path) as raster:
            return raster.data.tags()
    except (InputError, OSError, Image.DecompressionBombError):
        return None


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _is_map(says: Mapping[str, Any] | None) -> bool:
    return says is not None and {MADE, 'class_0'} <= says.keys()
