"""Checkpoints in the run's own folder that are intact at any moment, and a resume that refuses what does not fit."""

import copy
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmseg.registry import HOOKS

from ...datasets.sampler import epoch_size
from ...errors import InputError, RunStopped
from ...whole_file import remove_partial
from ..accumulated import accumulated, restore
from ..data_parallel import average_statistics, images_per_step
from ..followed_schedule import follow_config
from ..processes import on_every
from ..runner_model import model_of
from ..runs.checkpoint_files import FOLDER, WHOLE, damage, newest_whole, point_to, resumable, set_aside
from ..teachers.keys import data_key, unlabelled_key

OURS = ('out_dir', 'filename_tmpl', 'backend_args', 'file_client_args')


@HOOKS.register_module()
class RunCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, writing into ``<work_dir>/checkpoints`` so that a run can be killed at any moment.

    (MMEngine's ``out_dir`` would append the run's name.)

    A checkpoint is written to a temporary file, flushed and renamed, then named in ``<work_dir>/last_checkpoint``. Only
    then is an older one removed; MMEngine removes first and writes in place. A resume takes the newest intact
    checkpoint, verified by its checksums, and reports those that it skipped. It fails on any missing or unexpected key,
    where MMEngine only warns and trains on with random weights. It also fails if a step would see more or fewer images
    than before, since iterations would mean something else.

    With several processes, the statistics of norms are averaged before a checkpoint and before a validation, so that
    both see one model. Other hooks that have to synchronise something define ``before_checkpoint(runner)``: it is
    called on every process, while MMEngine's ``before_save_checkpoint`` is called only on the process that writes.

    If a checkpoint cannot be written (a full disk), the previous one stays and the run continues; if the checkpoint at
    the end of the run cannot be written, the run stops. With several processes, all of them learn of it.

    Args:
        max_keep_ckpts: How many checkpoints to resume from are kept, besides the best ones; -1 keeps all.
        kwargs: As for MMEngine's ``CheckpointHook``, without folders and file names, which resuming relies on.

    Raises:
        RunStopped: The checkpoint at the end of a run could not be written.
    """

    def __init__(self, max_keep_ckpts: int = 2, **kwargs: Any) -> None:
        taken = [key for key in OURS if key in kwargs]
        if taken:
            raise InputError(
                f'RunCheckpointHook writes <work_dir>/{FOLDER}/epoch_N.pth or iter_N.pth; leave '
                f'default_hooks.checkpoint.{taken[0]} out'
            )
        interval = kwargs.get('interval', -1)
        if not isinstance(interval, int):
            raise InputError(f'default_hooks.checkpoint.interval={interval!r} must be a whole number; -1: never')
        super().__init__(backend_args=dict(backend=WHOLE), **kwargs)  # removes nothing: MMEngine removes too early
        self.keep = max_keep_ckpts
        self._saved: int | None = None  # iteration of the newest checkpoint
        self._missed: tuple[str, dict] | None = None  # the newest checkpoint that could not be written
        self._gradients: dict[str, Any] | None = None  # accumulated since the last update, for a checkpoint
        self._data: dict[str, str | None] = {}  # keys of the data

    def before_run(self, runner: Runner) -> None:
        if not (runner._resume and runner._load_from is None and isinstance(runner._train_loop, BaseLoop)):
            return
        newest, passed = newest_whole(runner.work_dir, len(runner.train_dataloader))
        for line in passed:
            runner.logger.warning(f'Passed over: {line}')
        if newest is None:
            runner.logger.warning(f'No checkpoint lies in {runner.work_dir} yet: the run begins anew')
            runner._resume = False
        else:
            runner._load_from = str(newest)

    def before_train(self, runner: Runner) -> None:
        self.out_dir = None  # type: ignore[assignment]
        self._data = _data_keys(runner)
        self._saved = runner.iter or None
        self._find_best_again(runner)
        super().before_train(runner)
        self.folder = folder = Path(runner.work_dir) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self.out_dir = str(folder)  # type: ignore[assignment]
        if is_main_process():
            for place in (runner.work_dir, folder):
                remove_partial(place)
            ahead = set_aside(runner.work_dir, runner.iter, len(runner.train_dataloader))
            if ahead:
                runner.logger.warning(
                    f'{folder}: {", ".join(path.name for path in ahead)} lie ahead of this run; kept as *.pth.aside'
                )

    def _find_best_again(self, runner: Runner) -> None:
        """Finds the remembered best checkpoint by its name, since the run directory may have moved.

        A missing or damaged one is forgotten, so that the next validation saves another.
        """
        hub = runner.message_hub
        for key in [key for key in hub.runtime_info if key.startswith('best_ckpt')]:
            path = Path(runner.work_dir) / FOLDER / Path(hub.get_info(key)).name
            trouble = damage(path)
            if trouble is None:
                hub.update_info(key, str(path))
                continue
            runner.logger.warning(f'The best so far is forgotten: {trouble}')
            for name in (key, key.replace('best_ckpt', 'best_score')):
                hub.pop_info(name)

    def before_interruption(self, runner: Runner, epoch: int, iteration: int) -> None:
        """Saves a checkpoint of this iteration, if there is none yet.

        Args:
            runner: The runner.
            epoch: Number of completed epochs.
            iteration: Number of completed iterations.
        """
        if self._saved != iteration:
            self._save(runner, f'iter_{iteration}.pth', dict(epoch=epoch, iter=iteration))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        self._save(runner, self.filename_tmpl.format(step), meta)

    def _save(self, runner: Runner, name: str, meta: dict) -> None:
        runner.call_hook('before_checkpoint')
        path = str(self.folder / name)
        self.last_ckpt = path  # type: ignore[assignment]
        runner.message_hub.update_info('last_ckpt', path)
        try:
            on_every(
                partial(
                    runner.save_checkpoint,
                    self.out_dir,
                    name,
                    save_optimizer=self.save_optimizer,
                    save_param_scheduler=self.save_param_scheduler,
                    meta=dict(meta),
                    by_epoch=self.by_epoch,
                    backend_args=self.backend_args,
                    **self.args,
                )
            )
        except OSError as error:
            self._missed = name, meta
            _say(runner, f'{path} could not be written ({error.strerror}): the one before stays')
            return
        self._saved, self._missed = meta['iter'], None
        if is_main_process():
            with suppress(OSError):  # resuming does not need the pointer
                point_to(runner.work_dir, path)
            if self.keep > 0:
                for _, old in resumable(runner.work_dir, len(runner.train_dataloader))[self.keep :]:
                    old.unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        hub = runner.message_hub
        before = _best(runner)
        kept = {key: copy.copy(value) for key, value in vars(self).items() if key.startswith('best_ckpt_path')}
        last = self.last_ckpt
        self.last_ckpt = None  # type: ignore[assignment]  # else MMEngine saves it again before all know the new best
        try:
            on_every(partial(super()._save_best_checkpoint, runner, metrics))
        except OSError as error:
            _say(runner, f'The best checkpoint could not be written ({error.strerror}): the one before stays')
            for key in _best(runner):
                hub.pop_info(key)
            hub.update_info_dict(before)
            for key, value in kept.items():
                setattr(self, key, value)
            return
        finally:
            self.last_ckpt = last
        if last is not None and _best(runner) != before:  # saved again with the new best, for a resume
            step = runner.epoch if self.by_epoch else runner.iter
            self._save_checkpoint_with_step(runner, step, dict(epoch=runner.epoch, iter=runner.iter))
        self._remove_former_best(runner)

    def after_train(self, runner: Runner) -> None:
        last = self._missed is not None and self._missed[1]['iter'] == runner.iter
        if self._missed is not None and last:
            self._save(runner, *self._missed)  # there may be room by now
        if self._missed is not None and last:
            runner.call_hook('after_failure', status='failed')
            raise RunStopped(
                f'{self.folder / self._missed[0]} could not be written, so the run is not complete; make room, and '
                '--resume continues from the checkpoint before'
            )
        self._remove_former_best(runner)
        super().after_train(runner)

    def _remove_former_best(self, runner: Runner) -> None:
        if not (self.save_best and is_main_process()):
            return
        best = {Path(path).name for key, path in _best(runner).items() if key.startswith('best_ckpt')}
        for path in self.folder.glob('best_*.pth'):
            if path.name not in best:
                path.unlink(missing_ok=True)

    def before_val_epoch(self, runner: Runner) -> None:
        average_statistics(runner.model)

    def before_checkpoint(self, runner: Runner) -> None:
        average_statistics(runner.model)
        self._gradients = accumulated(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['images_per_step'] = images_per_step(runner)
        checkpoint['draws'] = _draws(runner)
        checkpoint['data'] = self._data
        if self._gradients is not None:
            checkpoint['gradients'], self._gradients = self._gradients, None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not runner._resume:
            return
        _check_data(checkpoint.get('data'), runner)
        present = _draws(runner)
        for key, begun in checkpoint.get('draws', {}).items():
            if present.get(key) != begun:
                raise InputError(
                    f'--resume: the run began with {key} {begun}, and now has {present.get(key)}: it would '
                    'draw other images, repeat some and leave others out. Give it the same, or start a new run'
                )
        for key in ('state_dict', 'optimizer', 'message_hub'):
            if key not in checkpoint:
                raise InputError(
                    f'--resume: the checkpoint has no {key!r}, so training cannot resume from it; it may be a '
                    'published one. Start a new run with load_from instead'
                )
        _check_step(checkpoint.get('images_per_step'), runner)
        model = model_of(runner)
        mine, its = set(model.state_dict()), set(checkpoint['state_dict'])
        if mine != its:
            missing, unexpected = sorted(mine - its), sorted(its - mine)
            raise InputError(
                f'--resume: the checkpoint is of another model: {len(missing)} keys missing ({", ".join(missing[:3])}'
                f'), {len(unexpected)} unexpected ({", ".join(unexpected[:3])}); resume with the config it came from'
            )
        if follow_config(runner, checkpoint):
            runner.logger.warning('--resume: the schedule or the rate differs from before: the config is followed')
        restore(runner, checkpoint.get('gradients', {}))


def _say(runner: Runner, error: str) -> None:
    if is_main_process():  # one process prints the error for all
        runner.logger.error(error)


def _best(runner: Runner) -> dict[str, Any]:
    """Returns scores and paths of the best checkpoints, from the message hub."""
    return {key: value for key, value in runner.message_hub.runtime_info.items() if key.startswith('best_')}


def _draws(runner: Runner) -> dict[str, int | None]:
    """Returns what determines the order of the images; a resumed run needs the same."""
    dataset = runner.train_dataloader.dataset
    return {
        'randomness.seed': runner.seed,
        'images in the training split': len(dataset),
        'images in an epoch': epoch_size(dataset),
    }


def _data_keys(runner: Runner) -> dict[str, str | None]:
    return {
        'labelled tiles': data_key(runner.cfg),
        'tiles without labels': unlabelled_key(runner.cfg),
    }


def _check_data(before: dict[str, str | None] | None, runner: Runner) -> None:
    """Refuses to resume on other data than the run started with; checkpoints of earlier versions do not record them."""
    for name, now in _data_keys(runner).items() if before else ():
        if before and before.get(name) != now:
            raise InputError(
                f'--resume: the run began on other data: its {name} have the key {before.get(name)}, and now there are '
                f'those of {now}; put the former ones back, or start a new run'
            )


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
