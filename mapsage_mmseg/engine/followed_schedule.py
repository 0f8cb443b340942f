"""Resuming with another schedule or learning rate than the run started with."""

import copy
import warnings
from typing import Any

from mmengine.runner import Runner

PROGRESS = ('last_step', '_global_step', '_last_value', 'verbose')  # a scheduler's progress; the rest is its config


def follow_config(runner: Runner, checkpoint: dict[str, Any]) -> bool:
    """Replaces a checkpoint's schedules by the runner's, advanced to the checkpoint's iteration, if the two differ.

    MMEngine would continue the checkpoint's schedules, whatever the config says.

    Args:
        runner: A runner with a new optimizer and new schedulers.
        checkpoint: The checkpoint to resume; its ``optimizer`` and ``param_schedulers`` change in place.

    Returns:
        Whether they differed.
    """
    mine, saved = runner.param_schedulers or [], checkpoint.get('param_schedulers') or []
    if not isinstance(mine, list) or not isinstance(saved, list) or not hasattr(runner.optim_wrapper, 'optimizer'):
        return False
    factor = 0.5 ** checkpoint.get('rolled_back', 0)  # by which RescueHook lowered the rate
    groups = runner.optim_wrapper.param_groups  # MMEngine adds one without parameters, whose rate it logs
    saved_optimizer = checkpoint['optimizer']
    extra = [saved_optimizer[key] for key in ('base_param_settings',) if saved_optimizer.get(key) is not None]
    former = [*saved_optimizer['param_groups'], *extra]
    same = [_constants(each.state_dict(), factor) for each in mine] == [_constants(state) for state in saved]
    if same and [_fixed(each, factor, mine) for each in groups] == [_fixed(each, 1.0, mine) for each in former]:
        return False
    iteration, per_epoch = checkpoint['meta']['iter'], len(runner.train_dataloader)
    for group in groups:
        for key in ('lr', 'initial_lr'):
            if key in group:
                group[key] *= factor
    for scheduler in mine:
        scheduler.base_values = [value * factor for value in scheduler.base_values]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # about scheduler steps without optimizer steps
        for step in range(1, iteration + 1):
            for scheduler in mine:
                if not scheduler.by_epoch or step % per_epoch == 0:
                    scheduler.step()
    checkpoint['param_schedulers'] = [copy.deepcopy(each.state_dict()) for each in mine]
    for group, its in zip(groups, former, strict=True):
        its.update({key: value for key, value in group.items() if key != 'params'})
    return True


def _fixed(group: dict[str, Any], factor: float, schedulers: list[Any]) -> dict[str, Any]:
    """Returns a parameter group's settings, without the values that a schedule changes."""
    moved = {each.param_name for each in schedulers}
    moved |= {f'initial_{name}' for name in moved}
    found = {key: value for key, value in group.items() if key != 'params' and key not in moved}
    return {key: round(value * factor, 15) if key in ('lr', 'initial_lr') else value for key, value in found.items()}


def _constants(state: dict[str, Any], factor: float = 1.0) -> dict[str, Any]:
    found = {key: value for key, value in state.items() if key not in PROGRESS}
    if 'base_values' in found:
        found['base_values'] = [round(value * factor, 15) for value in found['base_values']]
    return found
