"""The commands as functions: train, test, compare, predict and export from Python.

Wrong input raises :class:`~mapsage_mmseg.errors.InputError`, whose message is one line.
"""

from collections.abc import Sequence
from pathlib import Path

from .deployment.export.export_onnx import OnnxOptions, export_onnx
from .deployment.export.export_student import export_student
from .deployment.find_student import find_student, load_predictor
from .deployment.maps.predict import PredictOptions, plan_products
from .deployment.maps.predict import predict as predict_pairs
from .deployment.student_data import stock_data
from .evaluation.read_runs import Compared
from .evaluation.read_runs import compare_runs as compare
from .output_files import check_folder, out_folder
from .training.options import TrainOptions
from .training.session import train
from .training.testing import Tested, TestOptions, test

__all__ = [
    'Compared',
    'OnnxOptions',
    'PredictOptions',
    'TestOptions',
    'Tested',
    'TrainOptions',
    'compare',
    'export',
    'predict',
    'test',
    'train',
]


def predict(
    model: str,
    scenes: Sequence[str | Path],
    out: str | Path,
    options: PredictOptions | None = None,
    config: str | None = None,
) -> list[Path]:
    """Draws class maps.

    Args:
        model: A run or exported directory, a checkpoint, or an ONNX file.
        scenes: Pictures, GeoTIFFs, or folders of them.
        out: The folder for the maps; it is made.
        options: Windows, bands and products.
        config: Of a checkpoint without a ``config.py`` beside it.

    Returns:
        The files that are there now; what an earlier call finished is left alone.

    Raises:
        InputError: The model or a scene is missing, cannot be read, or does not fit.
    """
    options, predictor = options or PredictOptions(), load_predictor(model, config)
    pairs = plan_products([str(scene) for scene in scenes], Path(out), predictor, options)
    check_folder(out_folder(str(out)))
    return list(predict_pairs(pairs, predictor, options))


def export(
    source: str | Path, out: str | Path, onnx: OnnxOptions | None = None, config: str | None = None
) -> list[Path]:
    """Writes a trained student for stock MMSegmentation, or as ONNX files.

    Args:
        source: A run directory, or a checkpoint.
        out: The folder for the files; it is made.
        onnx: Options of the ONNX files; None writes weights and a config for MMSegmentation.
        config: Of a checkpoint without a ``config.py`` beside it.

    Returns:
        The files in the folder.

    Raises:
        InputError: The student is missing, cannot be read, or has no such form.
    """
    student, read = find_student(source, config)
    folder = out_folder(str(out))
    check_folder(folder)
    if onnx is None:
        export_student(student, stock_data(student, read, None), folder)
    else:
        export_onnx(student, read, folder, onnx)
    return sorted(path for path in folder.iterdir() if path.is_file())
