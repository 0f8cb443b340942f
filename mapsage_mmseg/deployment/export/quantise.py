"""An ONNX student in 8-bit integers: static quantisation by ONNX Runtime, calibrated on training images."""

import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from numpy.typing import NDArray

LARGEST_LOSS = 1.0  # mIoU, percent; beyond it the next way is tried
HEAVY = ('Conv', 'MatMul', 'Gemm')  # nine tenths of the time; the rest stays in float32


@dataclass(frozen=True)
class Way:
    """One way to quantise.

    Attributes:
        calibration: Calibration of ranges: ``MinMax``, ``Percentile`` or ``Entropy``.
        operators: Types of nodes that are quantised.
    """

    calibration: str
    operators: tuple[str, ...] = HEAVY

    def __str__(self) -> str:
        return f'{self.calibration} calibration of {", ".join(self.operators)}'


# The products of attention lose most if ranges are wide, so the last way leaves out these and all linear layers.
WAYS = (Way('MinMax'), Way('Percentile'), Way('Entropy'), Way('MinMax', ('Conv',)))


def quantise(
    model: bytes,
    images: Sequence[NDArray[Any]],
    score: Callable[[bytes], float],
    target: float,
    ways: Sequence[Way] = WAYS,
) -> tuple[bytes, Way, float]:
    """Quantises in the first way that loses at most 1 mIoU, or else in the one that loses least.

    Weights are int8 by output channel, activations uint8, in QDQ form.

    Args:
        model: Content of an ONNX file.
        images: (H, W, 3), RGB, or (H, W, B), of one size, for calibration.
        score: Returns the mIoU, percent, of such a content.
        target: mIoU of ``model``, percent.
        ways: Ways in the order in which they are tried.

    Returns:
        The quantised content, its way, and its score.
    """
    best: tuple[bytes, Way, float] | None = None
    for way in ways:
        content = _quantised(model, images, way)
        reached = score(content)
        print_log(f'int8, {way}: mIoU {reached:.2f}, float32 has {target:.2f}', 'current')
        if best is None or reached > best[2]:
            best = content, way, reached
        if reached >= target - LARGEST_LOSS:
            break
    if best is None:
        raise ValueError('ways is empty')
    if best[2] < target - LARGEST_LOSS:
        print_log(f'int8 loses {target - best[2]:.2f} mIoU, whichever way', 'current', logging.WARNING)
    return best


def of_one_size(images: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Returns the images (H, W, B) of the most common size: ONNX Runtime's histograms need a single size."""
    (size, _), *_ = Counter(image.shape for image in images).most_common(1)
    return [image for image in images if image.shape == size]


def _quantised(model: bytes, images: Sequence[NDArray[Any]], way: Way) -> bytes:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quietly():
        given, prepared, done = (Path(folder) / name for name in ('given.onnx', 'prepared.onnx', 'done.onnx'))
        given.write_bytes(model)
        quant_pre_process(given, prepared)
        quantize_static(
            prepared,
            done,
            _Images(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(way.operators),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[way.calibration],
        )
        return done.read_bytes()


class _Images:
    """Calibration reader for ONNX Runtime, which only needs this method: one image after another, then None."""

    def __init__(self, images: Sequence[NDArray[Any]]) -> None:
        self._left = iter(images)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        image = next(self._left, None)
        return None if image is None else {'image': image[None]}


@contextmanager
def _quietly() -> Any:
    """Silences warnings about symbolic sizes and about preprocessing that is already done."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        root.setLevel(level)
