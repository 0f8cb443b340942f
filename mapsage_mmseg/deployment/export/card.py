"""The model card of a student: known facts are filled in, the owner adds the rest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...whole_file import write_text
from ..student.files import data_name
from ..student.student import Student

NAME, CONFIG = 'README.md', 'config.py'
BEGIN, END = '<!-- {} -->', '<!-- /{} -->'
UNKNOWN = 'not recorded'
ASK = '_fill in_'
LABELS = dict(
    mIoU='mIoU, %',
    aAcc='pixel accuracy, %',
    boundary_f1='boundary F1, %',
    task_loss='cross-entropy, nats',
    teacher_agreement='agreement with the teacher, %',
)
FILES = {
    'student.pth': 'weights for MMSegmentation; plain values only, which `torch.load(weights_only=True)` reads',
    'student.safetensors': 'the same weights; classes, palette and provenance stand in its header',
    'config.py': 'the config for MMSegmentation 1.2; its first line says what else it needs',
    'student.onnx': 'for ONNX Runtime, float32; what `image` is and what `logits` are stands in its metadata',
    'student.int8.onnx': 'the same in 8-bit integers; its metadata say how it was made and how it scores',
    'table.json': 'the figures of the table below',
}
TEXT = """---
license: {ask}
tags: [land-cover, semantic-segmentation, mmsegmentation, knowledge-distillation]
---

# Land-cover student: {data}

{size} parameters; {count} classes of land cover from {images}.

<!-- files -->
<!-- /files -->

## Classes

{classes}

## Scores

{scores}

<!-- table -->
<!-- /table -->

## Where it comes from

| | |
|---|---|
| data | {data} (key {key}) |
| experiment | `{experiment}`, `{config}`, seed {seed} |
| commit | {commit} |
| trained on | {device} |
| versions | {versions} |
| checkpoint's SHA-256 | `{sha256}` |
| teacher | {teacher} |

## To be filled in by whoever passes it on

| | |
|---|---|
| licence of the weights | {ask} |
| licence and source of the training images | {ask} |
| ground resolution and sensors it was trained for | {ask} |
| intended use, and uses it is not fit for | {ask} |
| contact | {ask} |
"""


def write_card(folder: Path, student: Student, table: str | None = None) -> Path:
    """Writes the card; in an existing card, only the list of files and the table change.

    Args:
        folder: Folder of the card and of the files that it lists.
        student: The student that it describes.
        table: Markdown; None keeps the existing table.
    """
    path = folder / NAME
    text = _read(path) if path.is_file() else card(student)
    present = [(f'`{name}`', what) for name, what in FILES.items() if (folder / name).is_file()]
    text = with_section(text, 'files', markdown(('file', 'what it is'), present))
    write_text(path, text if table is None else with_section(text, 'table', table))
    return path


def check_checkpoint(folder: Path, student: Student) -> None:
    """Refuses a folder whose card or files come from another checkpoint, because the card lists all files beside it.

    Every file except the config contains its checkpoint's SHA-256, as text.

    Raises:
        InputError: A file comes from another checkpoint, is not a regular file, or is a config alone.
    """
    expected = student.provenance['checkpoint_sha256'].encode()
    present = [folder / name for name in (NAME, *FILES) if (folder / name).exists()]
    for path in present:
        if not path.is_file():
            raise InputError(f'{path} is no file; choose another folder with -o')
        if path.name != CONFIG and expected not in path.read_bytes():
            raise InputError(f'{path} is of another checkpoint; choose another folder with -o')
    if [path.name for path in present] == [CONFIG]:
        raise InputError(f'{present[0]} was not written by an export; choose another folder with -o')


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise InputError(f'{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8') from error


def with_section(text: str, name: str, body: str) -> str:
    """Replaces the body between the comments of a section, or appends the section to the card."""
    begin, end = BEGIN.format(name), END.format(name)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        before, after = f'{text.rstrip()}\n\n', '\n'
    return f'{before}{begin}\n{body.strip()}\n{end}{after}'


def card(student: Student) -> str:
    """Creates a new card."""
    known = student.provenance
    data, teacher = known.get('data') or {}, known.get('teacher') or {}
    versions = (f'{name} {version}' for name, version in (known.get('versions') or {}).items())
    return TEXT.format(
        ask=ASK,
        data=data_name(student),
        key=data.get('key') or UNKNOWN,
        size=f'{sum(value.numel() for value in student.weights.values()) / 1e6:.1f} M',
        count=len(student.classes),
        images=_images(student),
        classes=_classes(student),
        scores=_scores(known),
        experiment=known.get('experiment') or UNKNOWN,
        config=known.get('config') or UNKNOWN,
        seed=known.get('seed', UNKNOWN),
        commit=known.get('commit') or UNKNOWN,
        device=known.get('device') or UNKNOWN,
        versions=', '.join(versions) or UNKNOWN,
        sha256=known['checkpoint_sha256'],
        teacher=_teacher(teacher) if teacher else 'none',
    )


def _images(student: Student) -> str:
    if student.bands is None:
        return 'RGB images, 8 bits a channel'
    numbers = ', '.join(map(str, student.bands.numbers))
    return f'images, their bands {numbers} in this order, values as they are'


def _classes(student: Student) -> str:
    rows = [
        (index, name, 'rgb({}, {}, {})'.format(*colour))
        for index, (name, colour) in enumerate(zip(student.classes, student.palette, strict=True))
    ]
    return markdown(('value', 'class', 'colour'), rows)


def _scores(known: Mapping[str, Any]) -> str:
    scores = known.get('scores') or {}
    if not scores:
        return 'No validation of this checkpoint is recorded.'
    rows = [(label, f'{scores[key]:.4g}') for key, label in LABELS.items() if key in scores]
    rows += [(f'IoU of {name}, %', f'{value:.4g}') for name, value in (scores.get('IoU') or {}).items()]
    where = f'On the validation images (epoch {known["epoch"]} of the run):'
    return f'{where}\n\n{markdown(("score", "value"), rows)}'


def _teacher(teacher: Mapping[str, Any]) -> str:
    score = f'mIoU {teacher["mIoU"]:.2f}' if teacher.get('mIoU') is not None else 'no recorded score'
    size = f', {teacher["params_m"]:.1f} M parameters' if teacher.get('params_m') else ''
    return f'{score}{size}, SHA-256 `{teacher.get("sha256")}`'


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Formats a Markdown table; pipes in cells are escaped."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(str(cell).replace('|', '\\|') for cell in line) + ' |' for line in lines)
