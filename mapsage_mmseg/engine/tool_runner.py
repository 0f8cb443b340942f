"""MMEngine's Runner with a readable console and clear errors for mistakes in a config."""

import copy
import logging
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from ..errors import InputError, RunStopped

SMALLEST = 32  # pixels per side
_times: set[str] = set()  # timestamps of the runs that this process has started
# What MMEngine prints at every start, some 400 lines: the environment, the config (also in config.py), the order of the
# hooks, the settings of each parameter, two warnings about its own code, and a wrong folder of checkpoints; and two
# lines at every checkpoint.
CHATTER = (
    '\n' + '-' * 60,
    'Config:',
    'Hooks will be executed',
    'paramwise_options',
    '"FileClient"',
    '"HardDiskBackend"',
    'Distributed training is not used',
    'Checkpoints will be saved to',
    'Exp name: ',
    'Saving checkpoint at ',
)


def is_news(record: logging.LogRecord) -> bool:
    """Returns whether a line belongs on the console; the log file gets every line."""
    return not record.getMessage().startswith(CHATTER)


class SayOnce:
    """Error handler of a log's file handler: prints one line in all, where logging prints a traceback per line."""

    def __init__(self, name: str) -> None:
        self._name, self._said = name, False

    def __call__(self, record: logging.LogRecord) -> None:
        if not self._said:
            print(f'{self._name} could not be written ({sys.exc_info()[1]})', file=sys.stderr)
        self._said = True


def _answered(build: Callable[..., Any], section: str) -> Callable[..., Any]:
    """Wraps a builder, so that its errors are raised as InputErrors that name the section of the config."""

    @wraps(build)
    def answered(*args: Any, **kwargs: Any) -> Any:
        try:
            return build(*args, **kwargs)
        except (InputError, RunStopped):
            raise
        except (TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
            reason = str(error.args[0] if error.args else error).splitlines() or ['']
            raise InputError(f'config, {section}: {type(error).__name__}: {reason[0][:300]}') from error

    return answered


def _build_padded(runner: Runner, model: Any) -> nn.Module:
    """Builds the model, with images padded in validation and test.

    Images smaller than a backbone's last stride are padded to it if the preprocessor sets no ``test_cfg``. The runner's
    config is not modified, since keys are derived from it.
    """
    model = copy.deepcopy(model) if isinstance(model, dict) else model
    for prepare in preprocessors(model):
        if not prepare.get('test_cfg'):
            prepare['test_cfg'] = dict(size=(SMALLEST, SMALLEST))
    return Runner.build_model(runner, model)


def preprocessors(node: Any) -> Iterator[dict[str, Any]]:
    """Yields the settings of every ``SegDataPreProcessor`` in a model's config."""
    if isinstance(node, dict):
        if node.get('type') == 'SegDataPreProcessor':
            yield node
        for value in node.values():
            yield from preprocessors(value)


class ToolRunner(Runner):
    """Runner that keeps MMEngine's start-up text off the console, and names config sections that cannot be built."""

    set_randomness = _answered(Runner.set_randomness, 'randomness')
    build_model = _answered(_build_padded, 'model')
    build_visualizer = _answered(Runner.build_visualizer, 'visualizer')
    register_hooks = _answered(Runner.register_hooks, 'default_hooks or custom_hooks')
    build_train_loop = _answered(Runner.build_train_loop, 'train_cfg or train_dataloader')
    build_val_loop = _answered(Runner.build_val_loop, 'val_cfg, val_dataloader or val_evaluator')
    build_test_loop = _answered(Runner.build_test_loop, 'test_cfg, test_dataloader or test_evaluator')
    build_optim_wrapper = _answered(Runner.build_optim_wrapper, 'optim_wrapper')
    build_param_scheduler = _answered(Runner.build_param_scheduler, 'param_scheduler')
    build_log_processor = _answered(Runner.build_log_processor, 'log_processor')

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Gives each run of a process its own name.

        MMEngine names logger, visualizer and message hub after the second in which a run starts, so two runs that start
        in the same second would share them.
        """
        _answered(super().setup_env, 'env_cfg or launcher')(env_cfg)
        name, number = self.timestamp, 2
        while name in _times:
            name, number = f'{self.timestamp}_{number}', number + 1
        _times.add(name)
        self._timestamp = name

    def dump_config(self) -> None:
        """Does nothing: RecordHook writes ``config.py``, under the stock tool too."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = _answered(super().build_logger, 'log_level')(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handleError = SayOnce(handler.baseFilename)  # type: ignore[method-assign]
            else:
                handler.addFilter(is_news)
        return logger
