"""The model that a runner trains."""

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def model_of(runner: Runner) -> Any:
    """Returns the model itself, unwrapped if several processes train it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
