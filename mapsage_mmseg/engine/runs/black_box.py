"""Black box of a non-finite step: batch, model and loss weights, for a replay."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...errors import InputError
from ...weights_file import load_checkpoint_file
from ...whole_file import whole_file

NAME = 'black_box.pth'


def write_black_box(folder: str | Path, model: Any, batch: Mapping[str, Any], iteration: int) -> Path:
    """Writes ``<folder>/black_box.pth``.

    Args:
        folder: The run directory.
        model: The model as it was in the step, whose update was skipped.
        batch: The data loader's batch: ``inputs`` (images of 3 x H x W) and ``data_samples``.
        iteration: Iteration of the step, from 1.
    """
    path = Path(folder) / NAME
    content = dict(
        iteration=iteration,
        inputs=[image.cpu() for image in batch['inputs']],
        labels=[sample.gt_sem_seg.data.cpu() for sample in batch['data_samples']],
        state_dict={key: value.cpu() for key, value in model.state_dict().items()},
        weights=dict(getattr(model, 'loss_weights', {})),
    )
    with whole_file(path) as file:
        torch.save(content, file)
    return path


def read_black_box(path: str | Path) -> dict[str, Any]:
    """Reads a black box under the allow-list.

    Raises:
        InputError: The file is not a black box, or it is damaged.
    """
    content = load_checkpoint_file(path)
    keys = ('iteration', 'inputs', 'labels', 'state_dict', 'weights')
    if not isinstance(content, Mapping) or any(key not in content for key in keys):
        raise InputError(f'{path} is no black box; a run that was stopped by non-finite values leaves {NAME}')
    return dict(content)


def as_batch(content: Mapping[str, Any]) -> dict[str, list]:
    """Returns the batch in the form of a data loader's."""
    samples = []
    for image, label in zip(content['inputs'], content['labels'], strict=True):
        size = tuple(image.shape[-2:])
        meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
        samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label)))
    return dict(inputs=list(content['inputs']), data_samples=samples)


def replay_step(model: Any, batch: Mapping[str, Any]) -> tuple[dict[str, float], str | None]:
    """Runs a step's forward again.

    Returns:
        The unweighted terms, and the first non-finite value: the images, a parameter or buffer, or a module by its
        output; None if all values are finite.
    """
    data = model.data_preprocessor(batch, True)
    broken = broken_state(model) if torch.isfinite(data['inputs']).all() else 'the images'
    with torch.no_grad(), _first_output(model) as found:
        losses = model(**data, mode='loss')
    terms = {name: float(value) for name, value in losses.items() if isinstance(value, Tensor) and name != 'anchor'}
    return terms, broken or next(iter(found), None)


def broken_state(model: nn.Module) -> str | None:
    """Returns the name of the first parameter or buffer with non-finite values; None if there is none."""
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            return name
    return None


@contextmanager
def _first_output(model: nn.Module) -> Iterator[list[str]]:
    """Collects the names of modules with non-finite outputs, in the order in which their forwards end."""
    found: list[str] = []
    teacher = getattr(model, 'teacher', None)
    named = [*model.named_modules(), *(teacher.named_modules(prefix='teacher') if teacher is not None else ())]
    handles = []
    for name, module in named:

        def look(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
            if name and any(not torch.isfinite(tensor).all() for tensor in _tensors(output)):
                found.append(name)

        handles.append(module.register_forward_hook(look))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
