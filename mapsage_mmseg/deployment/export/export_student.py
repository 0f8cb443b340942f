"""A trained student as weights, a config for stock MMSegmentation, and a card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...whole_file import write_text
from ..student.files import write_weights
from ..student.student import Student
from ..student.timm_backbone import to_timm
from .card import check_checkpoint, write_card
from .stock_config import stock_config


def export_student(student: Student, dataset: Mapping[str, Any], folder: Path) -> None:
    """Writes weights, config and card, and prints what was written."""
    check_checkpoint(folder, student)
    student.build()  # raises if the weights do not fit
    student = to_timm(student)
    text = stock_config(student, dataset)
    written = write_weights(student, folder)
    write_text(folder / 'config.py', text)
    written += [folder / 'config.py', write_card(folder, student)]
    for path in written:
        print(path)
