"""One forward and backward pass before training that finds levels which cannot work."""

from collections.abc import Iterable

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...errors import InputError
from ..normalisation import channels
from .multi_level_distill import MultiLevelDistill


def probe_levels(
    model: MultiLevelDistill, levels: Iterable[str], size: tuple[int, int] = (128, 128)
) -> dict[str, float]:
    """Runs student and teacher once on noise, in eval mode, and checks each level. Changes no weight and no statistic.

    Args:
        model: The model, with its teacher built.
        levels: Levels with a weight in some phase.
        size: Image size in pixels, as in training.

    Returns:
        Norm of each level's gradient over the student's parameters.

    Raises:
        InputError: A level records nothing, its two sides cannot be compared, its loss is non-finite, or it gives the
            student no gradient. The message names the level.
    """
    levels = list(levels)
    device = next(model.student.parameters()).device
    shape = (2, channels(model.data_preprocessor), *size)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    valid = torch.ones((2, 1, *size), device=device)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), model.distiller.recording('teacher', levels):
            _forward(model.teacher, inputs, 'model.teacher')
        with torch.enable_grad(), model.distiller.recording('student', levels):
            _forward(model.student, inputs, 'model.architecture')
        with torch.enable_grad():
            return {name: _gradient_norm(model, name, valid) for name in levels}
    finally:
        model.distiller.forget()
        model.train(was_training)


def _forward(model: nn.Module, inputs: Tensor, where: str) -> None:
    try:
        model(inputs, _samples((inputs.shape[-2], inputs.shape[-1])), mode='tensor')
    except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as error:
        raise InputError(
            f'{where}: its forward fails on crops of {inputs.shape[-1]} x {inputs.shape[-2]}: '
            f'{(str(error).splitlines() or [repr(error)])[0]}; its parts do not fit each other, or the crop'
        ) from error


def _samples(size: tuple[int, int]) -> list[SegDataSample]:
    metainfo = dict(img_shape=size, ori_shape=size, pad_shape=size)
    label = PixelData(data=torch.zeros((1, *size), dtype=torch.long))
    return [SegDataSample(metainfo=metainfo, gt_sem_seg=label) for _ in range(2)]


def _gradient_norm(model: MultiLevelDistill, name: str, valid: Tensor) -> float:
    try:
        term = model.distiller.term(name, valid)
    except InputError:
        raise
    except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as error:
        raise InputError(
            f'levels.{name}: its two sides cannot be compared: {_shapes(model, name)}; give it a connector that '
            f'bridges them, or other sources ({str(error).splitlines()[0] if str(error) else error!r})'
        ) from error
    if term.ndim or not torch.isfinite(term):
        raise InputError(f'levels.{name}: its loss must be one finite number, and gave {term.detach()}')
    parameters = [parameter for parameter in model.student.parameters() if parameter.requires_grad]
    gradients = (
        torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True) if term.requires_grad else ()
    )
    norm = sum((float(gradient.square().sum()) for gradient in gradients if gradient is not None), 0.0) ** 0.5
    if norm == 0.0:
        raise InputError(
            f'levels.{name} contributes no gradient to the student: {_shapes(model, name)}; its student source is '
            'cut off from the graph, or the loss is constant there'
        )
    return norm


def _shapes(model: MultiLevelDistill, name: str) -> str:
    level = model.distiller.levels[name]
    found = []
    for side in ('student', 'teacher'):
        for source in getattr(level, side):
            buffer = getattr(model.distiller, f'{side}_recorders').get_recorder(source.module).data_buffer
            record = buffer[0] if buffer else None
            if source.index is not None and isinstance(record, list | tuple):
                record = record[source.index]
            found.append(f'{side} {str(source)!r} {tuple(record.shape) if isinstance(record, Tensor) else record}')
    return ', '.join(found)
