"""The model that a runner trains."""

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def model_of(runner: Runner) -> Any:
    """The model itself, where several processes train it out of its wrapper."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
