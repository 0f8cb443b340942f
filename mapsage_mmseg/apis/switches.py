"""Switches of how a training is carried out, not of what is trained."""

import argparse

from mmengine.config import Config

HOOKS = dict(channels_last='ChannelsLastHook', compile='CompileHook')


def add_switches(parser: argparse.ArgumentParser) -> None:
    """Adds ``--amp``, ``--channels-last`` and ``--compile``."""
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision in bfloat16 (optim_wrapper.dtype=float16: a GPU alone)'
    )
    parser.add_argument('--channels-last', action='store_true', help='convolutions in NHWC')
    parser.add_argument('--compile', action='store_true', help='torch.compile for the forwards of student and teacher')


def apply_switches(config: Config, arguments: argparse.Namespace) -> None:
    """Writes the switches into a config, where they can stand as well.

    Args:
        config: Changed in place.
        arguments: What was parsed; a tool that lacks a switch has it off.
    """
    if getattr(arguments, 'amp', False):
        config.optim_wrapper.type = 'AmpOptimWrapper'  # ours, engine/mixed_precision.py
        config.optim_wrapper.setdefault('dtype', 'bfloat16')
    for name, hook in HOOKS.items():
        if getattr(arguments, name, False):
            config.default_hooks.setdefault(name, dict(type=hook))
