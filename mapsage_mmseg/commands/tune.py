"""The tune command: searches a config's knobs on scenes that neither it nor its teacher trains on."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from . import cli
from .arguments import add_debug, add_skip_check


def parser() -> argparse.ArgumentParser:
    """Builds the argument parser: a config, the number and length of trials, and the data."""
    parser = argparse.ArgumentParser(
        description='Search the knobs of a config on a part of its training scenes. The same command continues where '
        'it was stopped.',
        allow_abbrev=False,
    )
    parser.add_argument('config', help='such as configs/distill/improved.py')
    parser.add_argument('--trials', type=int, required=True, metavar='N', help='trials in all, earlier ones included')
    parser.add_argument('--study', metavar='NAME', help="default: the config's experiment")
    parser.add_argument('--epochs', type=int, metavar='N', help="of each trial; default: the config's")
    parser.add_argument('--seed', type=int, default=0, help='of the search, and of every trial (default 0)')
    parser.add_argument('--knobs', nargs='+', metavar='KNOB', help='these alone; default: all that the config has')
    parser.add_argument('--data-root', metavar='PATH', help='tune on this folder, as for tools/train.py')
    add_skip_check(parser)
    parser.add_argument(
        '--scene',
        metavar='REGEX',
        help="finds a tile's scene in its name, in the first group, as '^(t[0-9]+)_'; default: `scene` in "
        "dataset.yaml, or the names that MMSegmentation's converters give",
    )
    add_debug(parser)
    return parser


def main(argv: Sequence[str]) -> None:
    """Runs trials until there are as many as requested, and writes the best as a config."""
    arguments = cli.parse(parser(), argv)
    for name, value, least in (('trials', arguments.trials, 1), ('seed', arguments.seed, 0)):
        if value < least:
            raise InputError(f'--{name} {value}: must be a whole number from {least}')
    from ..engine.teachers.keys import data_key
    from ..settings.knobs import knobs_of
    from ..settings.run_length import set_epochs
    from ..settings.tuning_split import use_tuning_split
    from ..training.arms import Arm
    from ..training.jobs import interruptible
    from ..training.search import conclude, search
    from ..training.study import import_optuna, open_study, owned

    import_optuna()
    warnings.filterwarnings('ignore', module='optuna')  # about experimental parts
    arm = Arm.prepare(arguments.config, arguments.data_root, (), arguments.skip_data_check)
    knobs = knobs_of(arm.config, arguments.knobs)
    name = arguments.study or arm.experiment
    if Path(name).name != name:
        raise InputError(f'--study {name} is to be a name, not a path')
    folder = Path(arm.root) / f'tune_{name}'
    use_tuning_split(arm.config, arguments.scene, folder)
    length = arm.config.train_cfg
    set_epochs(arm.config, length.get('max_epochs', 1) if arguments.epochs is None else arguments.epochs)
    arm.config.randomness = dict(seed=arguments.seed)
    with owned(folder), interruptible():
        data = data_key(arm.config)
        setup = dict(knobs=knobs, seed=arguments.seed, epochs=length.max_epochs, data=data, settings=arm.key)
        study = open_study(folder, name, setup)
        try:
            search(study, arm, knobs, folder, arguments.trials, arguments.seed)
        except KeyboardInterrupt:
            print('Stopped; the same command resumes from here.', flush=True)
            raise
        conclude(study, folder, arm, arguments.seed)
