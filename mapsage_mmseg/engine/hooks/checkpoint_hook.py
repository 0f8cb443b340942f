"""Checkpoints in the run's own folder, and a resume that refuses what does not fit."""

from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError


@HOOKS.register_module()
class RunCheckpointHook(CheckpointHook):
    """MMEngine's hook, writing into ``<work_dir>/checkpoints`` (its ``out_dir`` appends the run's name).

    Resuming fails on any missing or unexpected key; MMEngine only warns, and trains on with random weights.

    Args:
        kwargs: As for MMEngine's ``CheckpointHook``, without ``out_dir``.
    """

    def __init__(self, **kwargs: Any) -> None:
        if 'out_dir' in kwargs:
            raise InputError(
                'RunCheckpointHook writes into <work_dir>/checkpoints; leave default_hooks.checkpoint.out_dir out'
            )
        interval = kwargs.get('interval', -1)
        if not isinstance(interval, int):
            raise InputError(f'default_hooks.checkpoint.interval={interval!r} must be a whole number; -1: never')
        super().__init__(**kwargs)

    def before_train(self, runner: Runner) -> None:
        self.out_dir = None  # type: ignore[assignment]
        super().before_train(runner)
        folder = Path(runner.work_dir) / 'checkpoints'
        folder.mkdir(parents=True, exist_ok=True)
        self.out_dir = str(folder)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['draws'] = _draws(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not runner._resume:
            return
        present = _draws(runner)
        for key, begun in checkpoint.get('draws', {}).items():
            if present.get(key) != begun:
                raise InputError(
                    f'--resume: the run began with {key} {begun}, and would go on with {present.get(key)}: it would '
                    'draw other images, repeat some and leave others out. Give it the same, or start a new run'
                )
        for key in ('state_dict', 'optimizer', 'message_hub'):
            if key not in checkpoint:
                raise InputError(
                    f'--resume: the checkpoint has no {key!r}, so training cannot go on from it; it may be a '
                    'published one. Start a new run with load_from instead'
                )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        mine, its = set(model.state_dict()), set(checkpoint['state_dict'])
        if mine != its:
            missing, unexpected = sorted(mine - its), sorted(its - mine)
            raise InputError(
                f'--resume: the checkpoint is of another model: {len(missing)} keys missing ({", ".join(missing[:3])}'
                f'), {len(unexpected)} unexpected ({", ".join(unexpected[:3])}); resume with the config it came from'
            )


def _draws(runner: Runner) -> dict[str, int | None]:
    """What the order of the images follows from; a resumed run needs the same."""
    loader = runner.train_dataloader
    return {
        'randomness.seed': runner.seed,
        'images in the training split': len(loader.dataset),
        'images an iteration (train_dataloader.batch_size times processes)': loader.batch_size * get_world_size(),
    }
