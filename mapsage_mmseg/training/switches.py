"""Switches of how a training is executed: AMP, channels-last, compile."""

from mmengine.config import Config

from .options import TrainOptions

HOOKS = dict(channels_last='ChannelsLastHook', compile='CompileHook')


def apply_switches(config: Config, options: TrainOptions) -> None:
    """Writes ``amp``, ``channels_last`` and ``compile`` into a config, where they can stand as well.

    Args:
        config: Changed in place.
        options: Of the training.
    """
    if options.amp:
        config.optim_wrapper.type = 'AmpOptimWrapper'  # ours, engine/mixed_precision.py
        config.optim_wrapper.setdefault('dtype', 'bfloat16')
    for name, hook in HOOKS.items():
        if getattr(options, name):
            config.default_hooks.setdefault(name, dict(type=hook))
