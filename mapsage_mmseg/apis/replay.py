"""The replay tool: runs again the step that a run was stopped by."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from rich.console import Console

from ..engine import teachers
from ..engine.black_box import NAME, as_batch, examine_step, read_black_box
from ..errors import InputError
from .config import load_config
from .train import is_distillation


def parser() -> argparse.ArgumentParser:
    """Arguments."""
    parser = argparse.ArgumentParser(
        description='Run the step again that a run was stopped by, and say where the first number is none.',
        allow_abbrev=False,
    )
    parser.add_argument('path', help=f'a run directory, or its {NAME}')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser


def main(argv: Sequence[str]) -> None:
    """Prints the terms of the step, and what in it is the first that is no number."""
    path = Path(parser().parse_args(argv).path)
    path = path / NAME if path.is_dir() else path
    content = read_black_box(path)
    file = path.parent / 'config.py'
    if not file.is_file():
        raise InputError(f'{file} is missing; a black box is read beside the config of its run')
    config = load_config(file)
    init_default_scope(config.get('default_scope', 'mmseg'))
    model: Any = revert_sync_batchnorm(MODELS.build(config.model))
    teachers.load_whole(model, content['state_dict'], f'{path} does not fit {file}')
    if is_distillation(config):
        if any(weight for term, weight in content['weights'].items() if term != 'task'):
            weights, _ = teachers.read_teacher(teachers.resolve(config, model.teacher_ckpt))
            teachers.load_whole(model.build_teacher(), weights, f'the teacher does not fit {file}')
        model.set_loss_weights(content['weights'])
    model.train()
    terms, first = examine_step(model, as_batch(content))
    console = Console()
    console.print(f'Iteration {content["iteration"]}, {len(content["inputs"])} images', highlight=False)
    for name, value in terms.items():
        console.print(f'  {name}: {value:.6g}', style='red' if not math.isfinite(value) else None, highlight=False)
    console.print(f'First that is no number: {first or "none in the forward; look at the gradient"}', markup=False)
