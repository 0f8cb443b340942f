"""Pictures of predictions, and where TensorBoard's files go."""

from .panels import colorize, grid, panel
from .tensorboard_backend import RunTensorboardBackend

__all__ = ['RunTensorboardBackend', 'colorize', 'grid', 'panel']
