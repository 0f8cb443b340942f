"""Switches of how a training is executed: AMP, channels-last, compile."""

from mmengine.config import Config

from ..errors import InputError
from .options import TrainOptions

HOOKS = dict(channels_last='ChannelsLastHook', compile='CompileHook')


def apply_switches(config: Config, options: TrainOptions) -> None:
    """Writes ``amp``, ``channels_last`` and ``compile`` into a config, which may also set them itself.

    Args:
        config: Changed in place.
        options: Options of the training.
    """
    if options.amp:
        config.optim_wrapper.type = 'AmpOptimWrapper'  # ours, engine/mixed_precision.py
        config.optim_wrapper.setdefault('dtype', 'bfloat16')
    for name, hook in HOOKS.items():
        if getattr(options, name):
            config.default_hooks[name] = dict(dict(type=hook), **config.default_hooks.get(name, {}))
        elif config.default_hooks.get(name) and 'type' not in config.default_hooks[name]:
            flag = name.replace('_', '-')
            raise InputError(f'default_hooks.{name} is set, but not in use: add --{flag}')
