"""Loading of the student, teacher and examples of a demo."""

from collections.abc import Sequence
from pathlib import Path

from ...imagery.scene_reader import check_bands
from .models import find_examples, find_teacher, load_student
from .page import Demo
from .side_by_side import warm_up
from .uploads import LARGEST


def gather(
    model: str,
    config: str | None = None,
    teacher: str | None = None,
    data_root: str | None = None,
    examples: int = 4,
    bands: Sequence[int] | None = None,
    span: tuple[float, float] | None = None,
    largest: int = LARGEST,
) -> Demo:
    """Loads student, teacher and examples, and runs each model once.

    Args:
        model: A run or exported directory, a checkpoint, or an ONNX file.
        config: Config of the run, if none lies beside the model.
        teacher: The teacher's checkpoint, if it was moved after the run.
        data_root: A folder of tiles for the examples.
        examples: Validation images to offer.
        bands, span, largest: As for :class:`Demo`.

    Raises:
        InputError: A named file or folder is missing or does not fit.
    """
    student, read = load_student(model, config)
    check_bands(bands, span, student.predictor.bands)
    found = find_teacher(model, teacher, read, student.predictor)
    offered = find_examples(read, data_root, examples, student.predictor)
    shown = Demo(
        title=Path(model).resolve().name,
        contestants=[student] if isinstance(found, str) else [student, found],
        examples=[] if isinstance(offered, str) else offered,
        remarks=[each for each in (found, offered) if isinstance(each, str)],
        bands=bands,
        span=span,
        largest=largest,
    )
    warm_up(shown.contestants)
    return shown
