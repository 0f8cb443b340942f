"""Training of a distillation's teacher: its recipe on the data, resume, publication."""

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..datasets.tiles.dataset import HANDLING
from ..engine.processes import from_first
from ..engine.runner_model import model_of
from ..engine.runs.checkpoint_files import resumable
from ..engine.runs.directory import new_run_dir
from ..engine.teachers.doubts import outdone_by
from ..engine.teachers.keys import content_key, data_key, scored_key
from ..engine.teachers.recipes import load_recipe, member_recipes, resolve_teacher
from ..engine.teachers.store import read_teacher, teacher_file, write_teacher
from ..errors import InputError
from ..evaluation.record import read_record
from ..folder_lock import held
from ..models.normalisation import normalisation
from ..settings.data_root import LOADERS, apply_data_root
from ..settings.load import load_config
from ..settings.tuning_split import follow_tuning_split
from .scoring import score


def teacher_config(config: Config, data_root: str | None) -> Config:
    """Returns the teacher's recipe, on the data of this run."""
    recipe = load_recipe(config)
    _follow(recipe, config, data_root)
    name_members(recipe, data_root)
    return recipe


def name_members(recipe: Config, data_root: str | None) -> None:
    """Writes the keys of an ensemble's members, on this data, into its recipe; the ensemble's key is derived from
    them."""
    if recipe.get('members'):
        recipe.member_keys = [content_key(one) for one in recipes_of(recipe, data_root)]


def recipes_of(recipe: Config, data_root: str | None) -> list[Config]:
    """Returns the recipes that are trained for a teacher, on the same data: its own, or those of an ensemble's
    members."""
    if not recipe.get('members'):
        return [recipe]
    members = member_recipes(recipe)
    for one in members:
        _follow(one, recipe, data_root)
    return members


def _follow(recipe: Config, config: Config, data_root: str | None) -> None:
    """Gives a recipe the data, the experiments folder, the launcher and the command lines of another config."""
    if data_root:
        apply_data_root(recipe, data_root)
        for split in LOADERS:
            mine = config[split].dataset
            recipe[split].dataset.update({key: mine[key] for key in HANDLING if key in mine})
    follow_tuning_split(recipe, config)
    recipe.experiments = config.get('experiments', 'experiments')
    recipe.launcher, recipe.publish_teacher = config.get('launcher', 'none'), True
    recipe.commands = config.get('commands')


def stored(recipe: Config) -> Path:
    """Returns the path of a recipe's teacher."""
    return teacher_file(recipe.get('experiments', 'experiments'), content_key(recipe))


def untrained(recipe: Config, data_root: str | None, retrain: bool = False) -> list[Config]:
    """Returns the recipes still to be trained for a teacher, each once: another seed needs no rehearsal of its own."""
    left = [one for one in recipes_of(recipe, data_root) if retrain or not stored(one).is_file()]
    return list({one.filename: one for one in left}.values())


def trained(recipe: Config, data_root: str | None, by: Callable[[Config], Any], retrain: bool = False) -> Path:
    """Returns the file of a recipe's teacher, and trains it, or the members of an ensemble, if it is missing.

    Args:
        recipe: The recipe, on its data.
        data_root: The ``data_root`` of the distillation.
        by: Function that trains a recipe, which has its work_dir, in this process or in a separate one.
        retrain: Train the teacher even if it exists.
    """
    path = stored(recipe)

    def left_to_do() -> dict[str, Any] | None:
        if path.is_file() and not retrain:
            print_log(f'Teacher: found {path}, trained by {recipe.filename} on the same data', 'current')
            return None
        if recipe.get('members'):
            return {}
        epochs = recipe.train_cfg.get('max_epochs')
        length = f', {epochs} epochs by its own recipe' if epochs else ''
        print_log(f'Teacher: training it first, by {recipe.filename}{length}; it is kept in {path}', 'current')
        left = None if retrain else unfinished_teacher(recipe, path.parent.name)
        made = left or new_run_dir(recipe.get('experiments', 'experiments'), 'teacher')
        return dict(work_dir=str(made), resume=left is not None)

    # One process decides for all, before any of them can have made the file that another still looks for.
    run = from_first(left_to_do)
    if run is not None and recipe.get('members'):
        put_together(recipe, [trained(one, data_root, by, retrain) for one in recipes_of(recipe, data_root)], path)
    elif run is not None:
        recipe.merge_from_dict(run)
        by(recipe)
    return path


def put_together(recipe: Config, members: Sequence[Path], path: Path) -> None:
    """Makes an ensemble's file from its members' files, and scores it on the validation data.

    Args:
        recipe: The ensemble's recipe, on its data.
        members: The members' files, in the order of the recipe.
        path: Path of the new file.
    """
    read = [read_teacher(member) for member in members]
    weights = {f'members.{i}.{key}': value for i, (state, _) in enumerate(read) for key, value in state.items()}
    card = read[0][1]
    config = copy.deepcopy(recipe)
    config.work_dir, config.test_dataloader = str(path.parent), copy.deepcopy(recipe.val_dataloader)
    scores = score(config, weights, str(path), 0, 'ensemble')
    meta: dict[str, Any] = dict(
        mIoU=scores['mIoU'],
        data_key=scored_key(recipe),
        key=path.parent.name,
        classes=list(card.classes),
        normalisation=card.normalisation,
        members=[each.sha256 for _, each in read],
    )
    from_first(lambda: write_teacher(path, weights, meta))
    each = ', '.join(f'{card.mIoU:.2f}' for _, card in read)
    print_log(f'Teacher: {len(read)} members of mIoU {each}, together {meta["mIoU"]:.2f}, kept in {path}', 'current')
    warn_if_outdone(recipe, meta['mIoU'])


def warn_if_outdone(recipe: Config, score: float) -> None:
    """Warns if a student from labels only is known to be better than a teacher."""
    better = outdone_by(score, recipe.get('experiments', 'experiments'), data_key(recipe))
    if better:
        print_log(f'Teacher: {better}; a distillation would refuse it', 'current', logging.WARNING)


def trained_teacher(config: Config, data_root: str | None) -> Path:
    """Returns the file of the teacher for a distillation on this data.

    Raises:
        InputError: There is none yet; the message names the command that trains one.
    """
    given = config.model.get('teacher_ckpt', 'auto')
    return resolve_teacher(config, given, teacher_config(config, data_root) if given == 'auto' else None)


def unfinished_teacher(recipe: Config, key: str) -> Path | None:
    """Returns an interrupted run of a teacher, with the same recipe and data; None if there is none.

    Raises:
        InputError: Another process is training that teacher now.
    """
    images = recipe.train_dataloader.get('batch_size', 1) * get_world_size()
    for folder in sorted(Path(recipe.get('experiments', 'experiments')).glob('teacher_*'), reverse=True):
        record = read_record(folder / 'result.json') or {}
        status = record.get('status')
        if status == 'running' and held(folder) and _key_of(folder) == key:
            raise InputError(f'this teacher is being trained by another process, in {folder}; wait for its end')
        if status == 'running' and held(folder) is False:
            status = 'killed'
        if status not in ('interrupted', 'failed', 'killed') or not resumable(folder):
            continue
        if record.get('images_per_step') not in (None, images):  # another batch size over all processes
            continue
        if _key_of(folder) == key:
            print_log(f'Teacher: resuming {folder}, which was {status}', 'current')
            return folder
    return None


def _key_of(folder: Path) -> str | None:
    """Returns the key of the teacher that a run trains; None if its config or its data are gone."""
    try:
        return content_key(load_config(folder / 'config.py'))
    except InputError:
        return None


def refuse_untrained(model: Any) -> None:
    """Refuses to train a teacher on random weights in place of missing pretrained ones.

    Otherwise it would be found under the same key once the pretrained weights are there.

    Raises:
        InputError: Pretrained weights are missing; the message names them.
    """
    for path, module in model.named_modules():
        if reason := getattr(module, 'untrained', None):
            raise InputError(f'model.{path}: {reason}. No teacher is trained over random weights in its place')


def publish_teacher(runner: Runner) -> None:
    """Stores the best checkpoint of a teacher's run where distillations look for it."""
    best = runner.message_hub.get_info('best_ckpt')
    weights, _ = read_teacher(best)
    key = content_key(runner.cfg)
    model = model_of(runner)
    meta = dict(
        mIoU=float(runner.message_hub.get_info('best_score')),
        data_key=scored_key(runner.cfg),
        key=key,
        classes=list(runner.train_dataloader.dataset.metainfo['classes']),
        normalisation=normalisation(model.data_preprocessor),
        run=runner.work_dir,
    )
    path = write_teacher(teacher_file(runner.cfg.get('experiments', 'experiments'), key), weights, meta)
    print_log(f'Teacher: mIoU {meta["mIoU"]:.2f}, kept in {path}', 'current')
    warn_if_outdone(runner.cfg, meta['mIoU'])
