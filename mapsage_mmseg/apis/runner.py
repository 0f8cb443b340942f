"""MMEngine's Runner with a console that a person can read."""

import logging
import sys
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

# What MMEngine says at every start, some 400 lines: the environment, the config (which stands in config.py too), the
# order of the hooks, the settings of each parameter, two warnings about its own code, and where checkpoints do not go.
STARTUP = (
    '\n' + '-' * 60,
    'Config:',
    'Hooks will be executed',
    'paramwise_options',
    '"FileClient"',
    '"HardDiskBackend"',
    'Distributed training is not used',
    'Checkpoints will be saved to',
)


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line belongs on the console; the log file gets every line."""
    return not record.getMessage().startswith(STARTUP)


class SayOnce:
    """What a log's file handler does where it cannot write: one line, where logging prints a traceback a line."""

    def __init__(self, name: str) -> None:
        self._name, self._said = name, False

    def __call__(self, record: logging.LogRecord) -> None:
        if not self._said:
            print(f'{self._name} could not be written ({sys.exc_info()[1]})', file=sys.stderr)
        self._said = True


class ToolRunner(Runner):
    """Keeps MMEngine's start-up text off the console."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handleError = SayOnce(handler.baseFilename)  # type: ignore[method-assign]
            else:
                handler.addFilter(is_news)
        return logger
