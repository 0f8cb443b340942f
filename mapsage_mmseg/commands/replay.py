"""The replay command: repeats the step that stopped a run."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import cli
from .arguments import add_debug

NAME = 'black_box.pth'  # as in engine/runs/black_box.py


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser."""
    parser = argparse.ArgumentParser(
        description='Repeat the step that stopped a run, and print the first non-finite value in it.',
        allow_abbrev=False,
    )
    parser.add_argument('path', help=f'a run directory, or its {NAME}')
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Prints the loss terms of the step and its first non-finite value."""
    path = Path(cli.parse(parser(), argv).path)
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS
    from rich.console import Console

    from ..engine.runs.black_box import as_batch, read_black_box, replay_step
    from ..engine.teachers.recipes import resolve_teacher
    from ..engine.teachers.store import read_teacher
    from ..settings.load import is_distillation, load_config
    from ..weights_file import load_whole

    path = path / NAME if path.is_dir() else path
    content = read_black_box(path)
    file = path.parent / 'config.py'
    if not file.is_file():
        raise InputError(f'{file} is missing; a black box is read beside the config of its run')
    config = load_config(file)
    init_default_scope(config.get('default_scope', 'mmseg'))
    model: Any = revert_sync_batchnorm(MODELS.build(config.model))
    load_whole(model, content['state_dict'], f'{path} does not fit {file}')
    if is_distillation(config):
        if any(weight for term, weight in content['weights'].items() if term != 'task'):
            weights, _ = read_teacher(resolve_teacher(config, model.teacher_ckpt))
            load_whole(model.build_teacher(), weights, f'the teacher does not fit {file}')
        model.set_loss_weights(content['weights'])
    model.train()
    terms, first = replay_step(model, as_batch(content))
    console = Console()
    console.print(f'Iteration {content["iteration"]}, {len(content["inputs"])} images', highlight=False)
    for name, value in terms.items():
        console.print(f'  {name}: {value:.6g}', style='red' if not math.isfinite(value) else None, highlight=False)
    console.print(f'First non-finite value: {first or "none in the forward; look at the gradient"}', markup=False)
