"""Scoring of a model by its config's test."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm

from ..engine.runner_model import model_of
from ..engine.tool_runner import ToolRunner
from ..weights_file import load_whole


def score(config: Config, weights: Mapping[str, Any], checkpoint: str, pictures: int, name: str) -> dict[str, float]:
    """Runs the config's test with these weights, and returns the scores."""
    hooks = config.default_hooks
    for hook in set(hooks) - {'timer', 'logger'}:
        hooks.pop(hook)
    hooks.checkpoint = None  # removes MMEngine's default hook
    hooks.panels = dict(type='PanelHook', images=pictures, name=name)
    config.train_dataloader = config.train_cfg = config.optim_wrapper = config.param_scheduler = None
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.visualizer.vis_backends = []
    runner = ToolRunner.from_cfg(config)
    model = revert_sync_batchnorm(model_of(runner))
    load_whole(model, weights, f'checkpoint {checkpoint} does not fit the config')
    runner.model = model
    return {key: float(value) for key, value in runner.test().items()}
