"""One interface to models that predict, in torch or ONNX."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..imagery import Bands
from ..weights_file import file_digest
from .student.graph import SMALLEST, PixelsToLogits
from .student.onnx_file import require_onnx, session
from .student.student import Student

Logits = Callable[[NDArray[Any]], NDArray[np.float32]]


@dataclass(frozen=True)
class Predictor:
    """A model and the meaning of its numbers.

    Attributes:
        logits: Takes images (N, H, W, 3), uint8, RGB, or (N, H, W, B), float32; returns (N, C, H, W), float32.
        classes: Names in the order of the class numbers.
        palette: (R, G, B), 0 to 255, per class.
        sha256: SHA-256 of its file.
        bands: Bands of an image that it takes, with values as stored; None for red, green and blue of 8 bits.
        provenance: As for a :class:`~mapsage_mmseg.deployment.student.student.Student`; empty if not known.
    """

    logits: Logits
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    sha256: str
    bands: Bands | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def at_least(logits: Logits, side: int = SMALLEST) -> Logits:
    """Wraps a model to take images of any size.

    Small images are padded to ``side`` pixels, the minimum of backbones, by repeating their lower and right edge.
    """

    def padded(image: NDArray[Any]) -> NDArray[np.float32]:
        height, width = image.shape[1:3]
        if min(height, width) >= side:
            return logits(image)
        more = ((0, 0), (0, max(0, side - height)), (0, max(0, side - width)), (0, 0))
        return logits(np.pad(image, more, mode='edge'))[:, :, :height, :width]

    return padded


def torch_predictor(student: Student) -> Predictor:
    """Creates a predictor of a student, or of any other model, in torch."""
    graph = PixelsToLogits(student.build(), student.bands).eval()

    def logits(image: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return graph(torch.from_numpy(image)).numpy()

    sha256 = student.provenance['checkpoint_sha256']
    return Predictor(at_least(logits), student.classes, student.palette, sha256, student.bands, student.provenance)


def onnx_predictor(path: Path, threads: int = 1) -> Predictor:
    """Creates a predictor of a file that ``tools/export.py onnx`` wrote.

    Raises:
        InputError: It is not such a file.
    """
    require_onnx()
    try:
        runs = session(path, threads)
        facts: dict[str, Any] = runs.get_modelmeta().custom_metadata_map
    except Exception as error:  # ONNX Runtime raises many types
        raise InputError(f'{path} cannot be read by ONNX Runtime: {str(error).splitlines()[0][:200]}') from error
    if 'classes' not in facts or 'palette' not in facts:
        raise InputError(f'{path} has no classes and palette in its metadata; write it with tools/export.py onnx')
    palette = tuple((int(r), int(g), int(b)) for r, g, b in json.loads(facts['palette']))
    bands = Bands.of(dict(bands=json.loads(facts.get('bands', 'null'))))
    classes, provenance = tuple(json.loads(facts['classes'])), json.loads(facts.get('provenance', '{}'))
    return Predictor(onnx_logits(runs), classes, palette, file_digest(path), bands, provenance)


def onnx_logits(runs: Any) -> Logits:
    """Wraps an ONNX Runtime session as a function of pixels."""

    return at_least(lambda image: runs.run(['logits'], {'image': image})[0])
