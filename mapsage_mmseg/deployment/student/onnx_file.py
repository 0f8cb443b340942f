"""A student as an ONNX file that takes raw pixels and describes itself in its metadata."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from numpy.typing import NDArray

from ...errors import InputError
from ...imagery import Bands
from ...whole_file import whole_file
from .files import INSTALL
from .graph import PixelsToLogits
from .student import Student

OPSET = 18
TOLERANCE = 1e-4
NEEDS = ('onnx', 'onnxscript', 'onnxruntime')
INPUT = 'image: (N, H, W, {}, any N, H and W from 32; normalisation and padding are inside'
OUTPUT = 'logits: (N, C, H, W) float32; the class is the one with the highest'


def require_onnx() -> None:
    """Checks that the packages that write and run ONNX files are installed.

    Raises:
        InputError: One is not installed.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise InputError(f'{", ".join(missing)} not installed: {INSTALL}')


def write_onnx(student: Student, path: Path, images: Sequence[NDArray[Any]]) -> float:
    """Writes a student's graph if it reproduces the logits of MMSegmentation.

    Args:
        student: The student; for comparison, it is also run as in MMSegmentation.
        path: Path of the file.
        images: (H, W, 3), RGB, or (H, W, B), input of both.

    Returns:
        Largest difference of a logit.

    Raises:
        InputError: Packages are missing, or the model has no such graph.
        RuntimeError: A difference is above 1e-4, or torch exports no program; nothing is written.
    """
    require_onnx()
    segmentor = student.build()
    segmentor.test_cfg.mode = 'whole'  # the graph has no windows; the prediction tool adds them
    graph = PixelsToLogits(segmentor, student.bands).eval()
    content = with_metadata(_translated(graph), metadata(student, graph))
    run = session(content)
    difference = max(
        float(
            np.abs(
                run.run(['logits'], {'image': image[None]})[0][0] - stock_logits(segmentor, image, student.bands)
            ).max()
        )
        for image in images
    )
    if not difference <= TOLERANCE:
        raise RuntimeError(f'{path} was not written: its logits differ from torch by {difference:.2g} > {TOLERANCE}')
    with whole_file(path) as file:
        file.write(content)
    return difference


def _translated(graph: PixelsToLogits) -> bytes:
    """Exports the graph to ONNX, with dynamic batch size, height and width."""
    dim = torch.export.Dim
    # Not 32, although the graph takes it: the last feature map would be one pixel, which torch treats as a special
    # case, and it would trace everything a second time.
    free = {0: dim('batch'), 1: dim('height', min=33), 2: dim('width', min=33)}
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            (graph.example(),),
            dynamo=True,
            opset_version=OPSET,
            input_names=['image'],
            output_names=['logits'],
            dynamic_shapes=(free,),
            verbose=False,
        )
    if program is None:
        raise RuntimeError('torch.onnx.export gave no program')
    return program.model_proto.SerializeToString()


@contextmanager
def _quietly() -> Iterator[None]:
    """Silences the exporters' messages about every node, and about torchvision, which is not used here."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def metadata(student: Student, graph: PixelsToLogits) -> dict[str, str]:
    """Returns the file's metadata: text by name, JSON if it is not plain text."""
    bands = student.bands
    takes = f'{len(bands.numbers)}) float32, bands {", ".join(map(str, bands.numbers))}' if bands else '3) uint8, RGB'
    return dict(
        input=INPUT.format(takes),
        bands=json.dumps(bands and bands.as_dict()),
        output=OUTPUT,
        classes=json.dumps(student.classes),
        palette=json.dumps(student.palette),
        mean=json.dumps(graph.mean.flatten().tolist()),
        std=json.dumps(graph.std.flatten().tolist()),
        model_channel_order=graph.order,
        padded_to_multiples_of=str(graph.divisor),
        provenance=json.dumps(dict(student.provenance)),
    )


def with_metadata(content: bytes, entries: Mapping[str, str]) -> bytes:
    """Returns an ONNX file with these entries in its metadata."""
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, dict(entries))
    return model.SerializeToString()


def session(model: bytes | Path, threads: int = 0) -> Any:
    """Opens an ONNX Runtime session on the CPU.

    Args:
        model: The file, or its content.
        threads: Threads of an operator; 0 leaves the number to ONNX Runtime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only: its warnings are about nodes that it could not fold
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])


def stock_logits(segmentor: Any, image: NDArray[Any], bands: Bands | None = None) -> NDArray[np.float32]:
    """Computes logits (C, H, W) by MMSegmentation's own test step, of an RGB image (H, W, 3) or of bands (H, W, B)."""
    sample = SegDataSample(metainfo=dict(img_shape=image.shape[:2], ori_shape=image.shape[:2]))
    ordered = image if bands else image[..., ::-1]  # BGR, as MMSegmentation reads images
    inputs = torch.from_numpy(np.ascontiguousarray(ordered.transpose(2, 0, 1)))
    with torch.no_grad():
        (result,) = segmentor.test_step(dict(inputs=[inputs], data_samples=[sample]))
    return result.seg_logits.data.numpy()
