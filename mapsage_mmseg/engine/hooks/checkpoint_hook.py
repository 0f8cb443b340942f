"""Checkpoints in the run's own folder, and a resume that refuses what does not fit."""

from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ..data_parallel import average_statistics, images_per_step


@HOOKS.register_module()
class RunCheckpointHook(CheckpointHook):
    """MMEngine's hook, writing into ``<work_dir>/checkpoints`` (its ``out_dir`` appends the run's name).

    Resuming fails on any missing or unexpected key; MMEngine only warns, and trains on with random weights. It fails
    too where a step would see more images than before, or fewer: iterations would mean something else.

    Several processes bring their norms' statistics together before a checkpoint and before a validation, so that both
    are of one model. Other hooks that have something to bring together define ``before_checkpoint(runner)``: it is
    called on every process, where MMEngine's ``before_save_checkpoint`` is called on the one that writes.

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

    def before_val_epoch(self, runner: Runner) -> None:
        average_statistics(runner.model)

    def before_checkpoint(self, runner: Runner) -> None:
        average_statistics(runner.model)

    def _save_checkpoint(self, runner: Runner) -> None:
        runner.call_hook('before_checkpoint')
        super()._save_checkpoint(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['images_per_step'] = images_per_step(runner)
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
        _check_step(checkpoint.get('images_per_step'), runner)
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
    return {'randomness.seed': runner.seed, 'images in the training split': len(runner.train_dataloader.dataset)}


def _check_step(before: int | None, runner: Runner) -> None:
    now, processes = images_per_step(runner), get_world_size()
    if before in (None, now) or now is None:
        return
    size, rest = divmod(before, processes)
    remedy = f'start as many processes as divide {before}' if rest else f'give train_dataloader.batch_size={size}'
    raise InputError(
        f'--resume: a step of this run saw {before} images, here it would see {now} ({processes} x '
        f'{runner.train_dataloader.batch_size}), and its iterations would mean something else; {remedy}'
    )
